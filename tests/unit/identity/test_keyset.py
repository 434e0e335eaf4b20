"""JWK Sets: which keys count."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.identity.keyset import parse

from tests.support.tokens import SigningKey

KEY = SigningKey.make("key-1")
RSA_KEY = SigningKey.make("rsa-1", "RS256")


def found(*entries):
    """Which of the entries count, beside one that does."""
    other = SigningKey.make("other").jwk()
    keys = parse(json.dumps({"keys": [other, *entries]}).encode()).keys
    return [key.kid for key in keys if key.kid != "other"]


@pytest.mark.parametrize(
    "entry",
    [
        KEY.jwk(use="enc"),
        KEY.jwk(key_ops=["sign"]),
        KEY.jwk(key_ops="verify"),
        KEY.jwk(kid=7),
        KEY.jwk(alg=["ES256"]),
        KEY.jwk(kty="oct", k="AAAA"),
        KEY.jwk(kty="XX"),
        KEY.jwk(d="A" * 43),
        KEY.jwk(x="A" * 43),
        KEY.jwk(x="AA"),
        KEY.jwk(crv="secp256k1"),
        KEY.jwk(x=None),
        RSA_KEY.jwk(n="AQAB"),
        RSA_KEY.jwk(e=5),
        SigningKey.make("o", "EdDSA").jwk(x="AAAA"),
        SigningKey("weak", "RS256", rsa.generate_private_key(65537, 1024)).jwk(),  # noqa: S505 - refused
        SigningKey("huge", "RS256", rsa.RSAPublicNumbers(65537, 2**8200 + 1).public_key()).jwk(),
        {},
        {"kty": "EC"},
        [],
        None,
        "x",
    ],
    ids=range(22),
)
def test_entries_that_are_left_out(entry):
    assert found(entry) == []


@pytest.mark.parametrize("name", ["kid", "use", "alg", "key_ops", "x5c", "x5t", "d"])
def test_a_member_that_is_null_counts_as_absent(name):
    """As some issuers write all members that they know."""
    (key,) = parse(json.dumps({"keys": [KEY.jwk(**{name: None})]}).encode()).keys
    assert key.fits("ES256")
    assert key.kid == (None if name == "kid" else "key-1")


def test_a_key_without_use_and_alg_counts_for_every_algorithm_of_its_kind():
    entry = {name: value for name, value in RSA_KEY.jwk().items() if name not in {"use", "alg"}}
    keys = parse(json.dumps({"keys": [entry]}).encode())

    assert all(keys.find("rsa-1", name).fits(name) for name in ("RS256", "RS512", "PS256"))
    assert not keys.find("rsa-1", "ES256").fits("ES256")


def test_a_key_fits_its_own_curve_only():
    key = parse(json.dumps({"keys": [KEY.jwk(alg="")]}).encode()).keys[0]

    assert [name for name in ("ES256", "ES384", "ES512", "EdDSA", "RS256", "none") if key.fits(name)] == [
        "ES256"
    ]


def test_two_keys_of_the_same_kid_and_kind_are_no_answer():
    keys = parse(json.dumps({"keys": [KEY.jwk(), SigningKey.make("key-1").jwk()]}).encode())

    assert keys.find("key-1", "ES256") is None


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_value_error(content):
    try:
        parse(content)
    except ValueError:
        pass
    else:
        raise AssertionError("random bytes hold no key")


ENTRY = st.dictionaries(
    st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "k", "kid", "alg", "use", "key_ops"]),
    st.sampled_from(["EC", "RSA", "OKP", "P-256", "Ed25519", "AQAB", "A" * 43, "", 0, None, [], {}]),
)


@settings(deadline=None)
@given(st.lists(ENTRY, max_size=4))
def test_no_entries_raise_anything_but_value_error(entries):
    parse(json.dumps({"keys": [KEY.jwk(), *entries]}).encode())
