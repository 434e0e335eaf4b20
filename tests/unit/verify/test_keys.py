"""Sources of a backend's keys, over real HTTP and from files."""

import json
import threading

import pytest
from tabard.testing import FakeIssuer
from tabard.verify import Rejected, Verifier
from tabard.verify.keys import Freshness, KeysError, KeySet, key_set, parse_jwks
from tabard.verify.macaroon_credential import AudienceKeys

from tests.support.backends import Documents
from tests.support.tokens import FakeClock


class Source:
    """Loads the issuer's key set and counts."""

    def __init__(self, issuer):
        self.issuer = issuer
        self.loads = 0
        self.broken = False

    def __call__(self):

        self.loads += 1
        if self.broken:
            message = "broken by the test"
            raise KeysError(message)
        return json.dumps(self.issuer.jwks()).encode()


@pytest.fixture
def clock():
    return FakeClock(1000.0)


@pytest.fixture
def source(issuer):
    return Source(issuer)


@pytest.fixture
def keys(source, clock):
    return KeySet(source, Freshness(max_age=300, min_interval=5, max_stale=3600), clock)


def code_of(keys, kid):
    with pytest.raises(Rejected) as caught:
        keys.get(kid)
    return caught.value.code


def test_a_rotated_key_is_found_without_a_restart(issuer, keys, source, clock):
    assert keys.get("signing-1")
    issuer.rotate()
    clock.now += 6
    assert keys.get("signing-2")
    assert keys.get("signing-1")
    assert source.loads == 2


def test_unknown_key_ids_cannot_make_it_fetch_more_often_than_allowed(keys, source, clock):
    keys.get("signing-1")
    clock.now += 10
    for number in range(1000):
        assert code_of(keys, f"made-up-{number}") == "credential_unknown_key"
    assert source.loads == 2


def test_a_withdrawn_key_is_forgotten_after_the_set_is_too_old(issuer, keys, clock):
    keys.get("signing-1")
    issuer.rotate(keep=False)
    clock.now += 301
    assert code_of(keys, "signing-1") == "credential_unknown_key"


def test_an_issuer_that_is_away_is_survived_for_a_while_and_no_longer(keys, source, clock):
    keys.get("signing-1")
    source.broken = True
    clock.now += 3000
    assert keys.get("signing-1")
    clock.now += 601
    assert code_of(keys, "signing-1") == "keys_unavailable"
    source.broken = False
    assert code_of(keys, "signing-1") == "keys_unavailable"
    clock.now += 6
    assert keys.get("signing-1")


def test_without_any_keys_nothing_is_accepted(source, keys, clock):
    source.broken = True
    assert code_of(keys, "signing-1") == "keys_unavailable"
    assert code_of(keys, "signing-1") == "keys_unavailable"
    assert source.loads == 1


def test_one_thread_fetches_and_the_others_wait_for_it(issuer):
    entered, release, loads = threading.Event(), threading.Event(), []
    source = Source(issuer)

    def slow():
        loads.append(1)
        entered.set()
        release.wait(60)
        return source()

    keys = KeySet(slow, Freshness(max_age=300, min_interval=5, max_stale=3600))
    found = []
    threads = [threading.Thread(target=lambda: found.append(keys.get("signing-1"))) for _ in range(5)]
    for thread in threads:
        thread.start()
    entered.wait(60)
    release.set()
    for thread in threads:
        thread.join()
    assert len(found) == 5
    assert len(loads) == 1


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": [1]}',
        b'{"keys": [{"kty": "EC", "crv": "P-256", "kid": "a", "x": "!", "y": "?"}]}',
        b'{"keys": [{"kty": "EC", "crv": "P-256", "kid": "a"}]}',
        b'{"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}]}',
        b"[" * 10000,
        b"\xff",
        b'{"keys": [' + b"{}," * 200 + b"{}]}",
    ],
)
def test_a_broken_key_set_is_refused_whole(document):
    with pytest.raises(KeysError):
        parse_jwks(document)


def test_a_private_key_in_a_public_set_is_refused(issuer):
    (jwk,) = issuer.jwks()["keys"]
    with pytest.raises(KeysError, match="secret"):
        parse_jwks(_dump([{**jwk, "d": "AAAA"}]))


def test_two_keys_with_one_id_are_refused(issuer):
    (jwk,) = issuer.jwks()["keys"]
    with pytest.raises(KeysError, match="share"):
        parse_jwks(_dump([jwk, jwk]))


def test_keys_of_other_uses_and_algorithms_are_left_out(issuer):
    (jwk,) = issuer.jwks()["keys"]
    others = [
        {**jwk, "kid": "a", "use": "enc"},
        {**jwk, "kid": "b", "alg": "ES384"},
        {**jwk, "kid": "c", "crv": "P-384"},
        {"kty": "RSA", "kid": "d", "n": "AQAB", "e": "AQAB"},
        {key: value for key, value in jwk.items() if key != "kid"},
        {"kty": ["EC"], "crv": {}, "kid": "e"},
    ]
    assert list(parse_jwks(_dump([jwk, *others]))) == ["signing-1"]


def _dump(keys):

    return json.dumps({"keys": keys}).encode()


def test_keys_come_over_http(issuer, replay):
    with Documents(lambda _: (200, issuer.jwks())) as server:
        verifier = Verifier("refunds", issuer=issuer.name, jwks=server.url, replay=replay)
        token = issuer.jwt("t")
        for _ in range(3):
            assert verifier.verify(token, "t", {})
        assert server.requests == 1


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}),
        (404, {}),
        (200, b"<html>"),
        (200, b" " * (1 << 20) + b"{}"),
        (302, {}, ("Location", "file:///etc/passwd")),
        (302, {}, ("Location", "/document")),
    ],
)
def test_an_answer_that_is_no_key_set_is_refused(issuer, replay, answer):
    with Documents(lambda _: answer) as server:
        verifier = Verifier("refunds", issuer=issuer.name, jwks=server.url, replay=replay)
        with pytest.raises(Rejected) as caught:
            verifier.verify(issuer.jwt("t"), "t", {})
    assert caught.value.code == "keys_unavailable"
    assert caught.value.status == 503


def test_an_issuer_that_is_not_there_is_refused(issuer, replay):
    with Documents(lambda _: (200, {})) as server:
        url = server.url
    verifier = Verifier("refunds", issuer=issuer.name, jwks=url, replay=replay)
    with pytest.raises(Rejected, match="keys_unavailable"):
        verifier.verify(issuer.jwt("t"), "t", {})


def test_a_missing_file_is_refused(tmp_path):
    assert code_of(key_set(tmp_path / "none.json"), "a") == "keys_unavailable"


def test_audience_keys_are_read_again_when_the_file_changes(tmp_path):

    first, second, clock = FakeIssuer("refunds"), FakeIssuer("refunds"), FakeClock(1000.0)
    path = first.write_audience_keys(tmp_path / "keys.json")
    keys = AudienceKeys(path, "refunds", clock)
    before = keys.get("root-fake", 0)
    second.write_audience_keys(path)
    assert keys.get("root-fake", 0) == before
    clock.now += 6
    assert keys.get("root-fake", 0) != before
    path.write_text("{")
    clock.now += 6
    for code in ("keys_unavailable", "credential_unknown_key"):
        with pytest.raises(Rejected, match=code):
            keys.get("root-fake", 0)


def test_an_audience_key_ends_when_it_says_so(tmp_path):

    path = tmp_path / "keys.json"
    path.touch(mode=0o600)
    path.write_text(
        '{"audience": "a", "keys": [{"kty": "oct", "kid": "k", "k": "%s", "exp": 100}]}' % ("A" * 43)
    )
    keys = AudienceKeys(path, "a")
    assert keys.get("k", 99.9)
    with pytest.raises(Rejected, match="credential_unknown_key"):
        keys.get("k", 100.0)
