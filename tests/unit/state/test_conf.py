"""Accepted places of state; others are refused before anything is connected."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from tabard_sidecar.state.conf import RedisConfig, StateConfig
from tabard_sidecar.state.factory import create_store
from tabard_sidecar.state.redis import RedisStateStore
from tabard_sidecar.state.sqlite import SQLiteStateStore


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1",
        "redis://localhost:6380/2",
        "redis://[::1]:6379",
        "rediss://state.example:6379/0",
        "rediss://10.0.0.1",
        "unix:///run/redis.sock",
        "unix:///run/redis.sock?db=2",
    ],
)
def test_a_servers_address_makes_a_redis_store(url):
    config = StateConfig(url=url)
    assert config.is_redis
    assert isinstance(create_store(config, "z"), RedisStateStore)


@pytest.mark.parametrize("url", ["sqlite:", "sqlite:///var/lib/tabard/z.db"])
def test_a_path_makes_a_file(url):
    config = StateConfig(url=url)
    assert not config.is_redis
    assert isinstance(create_store(config, "z"), SQLiteStateStore)


def test_a_path_is_what_the_url_says():
    assert StateConfig(url="sqlite:///var/lib/tabard/z.db").path("z") == Path("/var/lib/tabard/z.db")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://10.0.0.1", "isn't encrypted and not on this machine"),
        ("redis://state.example:6379", "isn't encrypted and not on this machine"),
        ("rediss://:s3cret@state.example", "must not hold a user or password"),
        ("rediss://tabard:s3cret@state.example", "must not hold a user or password"),
        ("rediss://tabard@state.example", "must not hold a user or password"),
        ("unix://:s3cret@/run/redis.sock", "must not hold a user or password"),
        ("unix:///run/redis.sock?password=s3cret", "must be unix:///absolute/path.sock"),
        ("rediss://state.example?password=s3cret", "must be rediss://host:port/db"),
        ("rediss://state.example/zero", "must name the database by its number"),
        ("rediss://state.example:port", "is no valid URL"),
        ("rediss://", "must be rediss://host:port/db"),
        ("rediss://state.example:0", "must be rediss://host:port/db"),
        ("unix://run/redis.sock", "must be unix:///absolute/path.sock"),
        ("redis:127.0.0.1", "must be sqlite:///absolute/path.db"),
        ("sqlite://relative.db", "must be sqlite:///absolute/path.db"),
        ("postgres://127.0.0.1/s3cret", "must be sqlite:///absolute/path.db"),
    ],
)
def test_an_address_that_cant_be_used_is_refused(url, why):
    """With the reason, which never repeats what may be a password."""
    with pytest.raises(ValidationError) as caught:
        StateConfig(url=url)
    (error,) = caught.value.errors(include_input=False, include_url=False)
    assert why in error["msg"]
    assert "s3cret" not in error["msg"]


@pytest.mark.parametrize(
    ("details", "why"),
    [
        ({"cert_file": "/c.pem"}, "set both state.redis.cert_file and state.redis.key_file"),
        ({"key_file": "/k.pem"}, "set both state.redis.cert_file and state.redis.key_file"),
        ({"username": "tabard"}, "needs state.redis.password_file"),
    ],
)
def test_half_of_a_pair_is_refused(details, why):
    with pytest.raises(ValidationError, match=why):
        StateConfig(url="rediss://state.example", redis=RedisConfig(**details))


def test_plaintext_to_another_machine_has_to_be_accepted():
    config = StateConfig(url="redis://state.example", redis=RedisConfig(accept_plaintext=True))
    assert isinstance(create_store(config, "z"), RedisStateStore)
