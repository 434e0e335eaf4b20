"""docs/backends.md: the replay store in a real Redis server accepts a single-use credential once."""

import time

import pytest
import redis
from tabard import macaroon
from tabard.caveats import Expiry, encode_caveat
from tabard.testing import FakeIssuer
from tabard.verify import Rejected, ReplayUnavailable, Verifier

from tests.support import markdown
from tests.support.redis_server import redis_server
from tests.support.waiting import eventually_blocking


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def store_class():
    (code,) = [code for name, _, code in markdown.blocks("docs/backends.md") if name == "redis"]
    namespace = {"__name__": "page"}
    markdown.run(code, namespace)
    return namespace["RedisReplayStore"]


def test_a_holders_caveat_does_not_make_redis_forget_a_use(server, store_class, tmp_path):
    client, issuer = redis.Redis.from_url(server.url), FakeIssuer("refunds")
    keys, leeway = issuer.write_audience_keys(tmp_path / "keys.json"), 0.5
    verifier = Verifier(
        "refunds", issuer=issuer.name, audience_keys=keys, replay=store_class(client), leeway_seconds=leeway
    )
    whole = issuer.macaroon("t", single_use=True, ttl_seconds=300)
    end = time.time() + 0.5
    short = macaroon.append(whole, [encode_caveat(Expiry(end))])
    assert verifier.verify(short, "t", {}).single_use
    eventually_blocking(lambda: time.time() > end + leeway + 1)
    for token in (whole, macaroon.append(whole, [encode_caveat(Expiry(time.time() + 100))])):
        with pytest.raises(Rejected, match="credential_used"):
            verifier.verify(token, "t", {})
    (key,) = client.scan_iter("used:*")
    assert client.expiretime(key) >= time.time() + 250


def test_uses_are_counted_in_redis(server, store_class, tmp_path):
    issuer = FakeIssuer("refunds")
    jwks = issuer.write_jwks(tmp_path / "jwks.json")
    replicas = [
        Verifier(
            "refunds",
            issuer=issuer.name,
            jwks=jwks,
            replay=store_class(redis.Redis.from_url(server.url)),
        )
        for _ in range(2)
    ]
    token = issuer.jwt("t", uses=5)
    accepted = 0
    for number in range(12):
        try:
            replicas[number % 2].verify(token, "t", {})
            accepted += 1
        except Rejected as rejected:
            assert rejected.code == "credential_used"  # noqa: PT017
    assert accepted == 5


def test_a_store_that_does_not_answer_refuses(store_class):
    with pytest.raises(ReplayUnavailable):
        store_class(redis.Redis(port=1)).accept("i", "a", time.time() + 60)
