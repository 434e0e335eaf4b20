"""Sources of issuers' keys: a real HTTP server on loopback, and files."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from tabard_sidecar.identity.fetch import Fetcher, FetchError, check_url
from tabard_sidecar.identity.jose import TokenError
from tabard_sidecar.identity.sources import FileKeys, Freshness, KeyLocation, KeysUnavailable, RemoteKeys

from tests.support.tokens import FakeClock, KeyServer, SigningKey
from tests.support.waiting import DEADLINE_SECONDS, eventually

KEY = SigningKey.make("key-1")
NEXT = SigningKey.make("key-2")


@pytest.fixture
async def server():
    async for running in KeyServer([KEY.jwk()]).serve():
        yield running


@pytest.fixture
def ticks():
    return FakeClock(1000.0)


@asynccontextmanager
async def remote(server, ticks, *, discovery=False, path="/jwks", **options):
    location = (
        KeyLocation(server.url, discovery_url=f"{server.url}/.well-known/openid-configuration")
        if discovery
        else KeyLocation(server.url, jwks_url=server.url + path)
    )
    options.setdefault("bearer_for", server.url)
    fetcher = Fetcher(timeout_seconds=options.pop("timeout_seconds", 5), **options)
    source = RemoteKeys(fetcher, location, Freshness(300, 10, 3600), monotonic=ticks)
    try:
        yield source
    finally:
        await source.close()


async def settle(source):
    if source._task is not None:
        await source._task


@pytest.mark.parametrize("discovery", [False, True])
async def test_keys_are_fetched_when_needed_and_kept(server, ticks, discovery):
    async with remote(server, ticks, discovery=discovery) as source:
        for _ in range(10):
            assert (await source.find("key-1", "ES256")).kid == "key-1"

    assert server.requests == (["discovery"] if discovery else []) + ["jwks"]


async def test_starting_fetches_ahead_and_does_not_fail(server, ticks):
    server.status = 500
    async with remote(server, ticks) as source:
        await source.start()
        await settle(source)
        with pytest.raises(KeysUnavailable, match="status 500"):
            await source.find("key-1", "ES256")
        assert server.requests == ["jwks"]

        server.status = 200
        ticks.advance(10)

        assert await source.find("key-1", "ES256")


async def test_a_rotated_key_is_found_without_a_restart(server, ticks):
    async with remote(server, ticks) as source:
        await source.find("key-1", "ES256")
        server.keys = [KEY.jwk(), NEXT.jwk()]
        ticks.advance(10)

        assert (await source.find("key-2", "ES256")).kid == "key-2"


async def test_a_withdrawn_key_is_refused_after_the_next_refresh(server, ticks):
    async with remote(server, ticks) as source:
        await source.find("key-1", "ES256")
        server.keys = [NEXT.jwk()]
        ticks.advance(301)
        await source.find("key-1", "ES256")
        await settle(source)

        with pytest.raises(TokenError, match="no key"):
            await source.find("key-1", "ES256")


async def test_a_storm_of_unknown_kids_causes_one_fetch_per_interval(server, ticks):
    async with remote(server, ticks) as source:
        await source.find("key-1", "ES256")
        for interval in range(3):
            ticks.advance(10)
            results = await asyncio.gather(
                *(source.find(f"unknown-{number}", "ES256") for number in range(200)), return_exceptions=True
            )
            assert all(isinstance(result, TokenError) for result in results)
            assert len(server.requests) == 2 + interval


async def test_all_callers_that_wait_share_one_fetch(server, ticks):
    server.gate = asyncio.Event()
    async with remote(server, ticks) as source:
        waiting = [asyncio.create_task(source.find("key-1", "ES256")) for _ in range(50)]
        await eventually(lambda: server.requests)
        waiting[0].cancel()
        server.gate.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)

    assert server.requests == ["jwks"]
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(result.kid == "key-1" for result in results[1:])


async def test_old_keys_serve_while_the_issuer_is_down_but_not_for_ever(server, ticks):
    async with remote(server, ticks) as source:
        await source.find("key-1", "ES256")
        server.status = 503
        for _ in range(12):
            ticks.advance(300)
            assert await source.find("key-1", "ES256")
            await settle(source)

        ticks.advance(11)

        with pytest.raises(KeysUnavailable, match="status 503"):
            await source.find("key-1", "ES256")


async def test_old_keys_are_refreshed_in_the_background(server, ticks):
    async with remote(server, ticks) as source:
        await source.find("key-1", "ES256")
        server.gate = asyncio.Event()
        ticks.advance(301)

        assert await asyncio.wait_for(source.find("key-1", "ES256"), DEADLINE_SECONDS)

        server.gate.set()
        await settle(source)
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"body": b"x" * 300_000}, "more than"),
        ({"body": b"<html>"}, "not JSON"),
        ({"body": b'{"keys":[],"keys":[]}'}, "repeat|twice|dup"),
        ({"body": b"[]"}, "no array"),
        ({"body": b'{"keys":[]}'}, "no public signing key"),
        ({"body": json.dumps({"keys": [{"kty": "oct", "k": "AAAA", "kid": "key-1"}]}).encode()}, "no public"),
        ({"keys": [KEY.jwk()] * 101}, "more than 100"),
        ({"status": 404}, "status 404"),
        (
            {"issuer": "https://other.example.org"},
            r"must name the issuer 'http://127.*'https://other\.example\.org'",
        ),
        ({"issuer": 7}, "it names none"),
        ({"jwks_uri": "http://keys.example.org/jwks"}, "https"),
        ({"jwks_uri": "file:///etc/passwd"}, "https|host"),
    ],
)
async def test_answers_that_are_no_key_set_are_refused(server, ticks, change, match):
    for name, value in change.items():
        setattr(server, name, value)
    async with remote(server, ticks, discovery=True) as source:
        with pytest.raises(KeysUnavailable, match=match):
            await source.find("key-1", "ES256")


@pytest.mark.parametrize("discovery", [False, True])
async def test_what_is_no_json_is_told_with_its_url(server, ticks, monkeypatch, discovery):
    """A proxy's page of HTML, for example: which of two documents it is has to be known."""

    async def page(_self, _url):
        return b"<!doctype html><title>Sign in</title>"

    monkeypatch.setattr(Fetcher, "get", page)
    name = ".well-known/openid-configuration" if discovery else "jwks"
    async with remote(server, ticks, discovery=discovery) as source:
        with pytest.raises(KeysUnavailable, match=rf"{server.url}/{name}: not JSON"):
            await source.find("key-1", "ES256")


async def test_a_redirect_is_not_followed(server, ticks):
    async with remote(server, ticks, path="/moved") as source:
        with pytest.raises(KeysUnavailable, match="status 302"):
            await source.find("key-1", "ES256")

    assert server.requests == ["redirect"]


async def test_a_server_that_does_not_answer_is_given_up(server, ticks):
    server.gate = asyncio.Event()
    async with remote(server, ticks, timeout_seconds=0.1) as source:
        with pytest.raises(KeysUnavailable, match=r"within 0\.1 s"):
            await source.find("key-1", "ES256")
    server.gate.set()


async def test_an_issuer_that_does_not_listen_is_reported(ticks):
    async with remote(KeyServer([], url="http://127.0.0.1:1"), ticks) as source:
        with pytest.raises(KeysUnavailable, match="can't be fetched"):
            await source.find("key-1", "ES256")


async def test_the_bearer_token_is_read_for_every_request_and_never_told(server, ticks, tmp_path, caplog):
    file = tmp_path / "token"
    file.write_text("first-secret\n")
    async with remote(server, ticks, bearer_token_file=file) as source:
        await source.find("key-1", "ES256")
        file.write_text("second-secret")
        server.status = 401
        ticks.advance(10)
        with pytest.raises(TokenError) as caught:
            await source.find("unknown", "ES256")
        problems = [record.problem for record in caplog.records if hasattr(record, "problem")]
        assert "status 401" in problems[-1]
        assert "secret" not in "".join([*problems, str(caught.value)])

    assert server.authorization == ["Bearer first-secret", "Bearer second-secret"]


async def test_the_bearer_token_is_for_the_configured_server_only(server, ticks, tmp_path):
    file = tmp_path / "token"
    file.write_text("secret")
    server.jwks_uri = server.url.replace("127.0.0.1", "localhost") + "/jwks"
    async with remote(server, ticks, discovery=True, bearer_token_file=file) as source:
        await source.find("key-1", "ES256")
        assert server.authorization == [None]
        server.status = 401
        ticks.advance(301 + 3600)
        with pytest.raises(KeysUnavailable, match=rf"status 401; bearer_token_file is sent to {server.url}"):
            await source.find("key-1", "ES256")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/jwks",
        "ftp://127.0.0.1/x",
        "http://user@127.0.0.1/x",
        "https:///x",
        "x",
        "http://[::1",
        "http://localhost.example.org/",
        "https://example.org:0/jwks",
        "https://example.org:65536/jwks",
    ],
)
def test_urls_that_keys_are_not_fetched_from(url):
    with pytest.raises(FetchError):
        check_url(url, allow_http=False)


@pytest.mark.parametrize(
    "url", ["https://example.org/x", "http://127.0.0.1:1/x", "http://[::1]/x", "http://localhost/x"]
)
def test_urls_that_keys_are_fetched_from(url):
    check_url(url, allow_http=False)


def test_plain_http_can_be_allowed():
    check_url("http://example.org/x", allow_http=True)


def write_keys(path, *keys):
    path.write_text(json.dumps({"keys": [key.jwk() for key in keys]}))


async def test_a_key_file_is_read_again_when_it_changes(tmp_path, ticks):
    path = tmp_path / "keys.json"
    write_keys(path, KEY)
    source = FileKeys(path, monotonic=ticks)
    await source.start()
    await source.find("key-1", "ES256")
    write_keys(path, KEY, NEXT)
    ticks.advance(1)

    assert (await source.find("key-2", "ES256")).kid == "key-2"


async def test_a_key_file_can_hold_one_key_in_pem(tmp_path, ticks):
    path = tmp_path / "key.pem"
    path.write_bytes(KEY.pem())
    source = FileKeys(path, monotonic=ticks)
    await source.start()

    for kid in (None, "any"):
        assert await source.find(kid, "ES256")
    with pytest.raises(TokenError):
        await source.find(None, "RS256")


async def test_a_broken_key_file_leaves_the_keys_for_a_bounded_time(tmp_path, ticks):
    path = tmp_path / "keys.json"
    write_keys(path, KEY)
    source = FileKeys(path, max_stale_seconds=60, monotonic=ticks)
    await source.start()
    path.write_text("{")
    ticks.advance(60)
    await source.find("key-1", "ES256")

    ticks.advance(1)

    for _ in range(2):
        with pytest.raises(KeysUnavailable):
            await source.find("key-1", "ES256")
    write_keys(path, KEY)
    ticks.advance(1)
    await source.find("key-1", "ES256")


@pytest.mark.parametrize(
    "content", ["", "{}", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
async def test_a_file_without_keys_stops_the_start(tmp_path, content):
    path = tmp_path / "keys.json"
    path.write_text(content)

    with pytest.raises(KeysUnavailable, match=r"keys\.json"):
        await FileKeys(path).start()


async def test_an_absent_file_stops_the_start(tmp_path):
    with pytest.raises(KeysUnavailable, match="No such file"):
        await FileKeys(tmp_path / "absent").start()


async def test_a_file_that_every_user_can_write_is_refused(tmp_path):
    path = tmp_path / "keys.json"
    write_keys(path, KEY)
    path.chmod(0o666)

    with pytest.raises(KeysUnavailable, match="chmod go-w"):
        await FileKeys(path).start()
