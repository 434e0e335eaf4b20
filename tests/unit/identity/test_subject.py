"""Access tokens of people: what is accepted and with which reason everything else is refused."""

import base64
import hashlib
import hmac
import json
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.identity.agent import NoAgent, StaticAgent
from tabard_sidecar.identity.keyset import parse
from tabard_sidecar.identity.sources import StaticKeys
from tabard_sidecar.identity.subject import Issuer, SubjectTokens

from tests.support.tokens import (
    AUDIENCE,
    ISSUER,
    NOW,
    FakeClock,
    SigningKey,
    access_claims,
    encode_segment,
    raw_token,
)

KEY = SigningKey.make("key-1")
RSA_KEY = SigningKey.make("rsa-1", "RS256")
AGENT = "spiffe://example.org/ns/shop/sa/orders"
SKEW = 30
HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid}


def issuer_of(**changes):
    terms = {
        "issuer": ISSUER,
        "audiences": frozenset({AUDIENCE, "tabard-2"}),
        "algorithms": frozenset({"ES256", "RS256"}),
        "types": frozenset({"at+jwt"}),
        "keys": StaticKeys(parse(json.dumps({"keys": [KEY.jwk(), RSA_KEY.jwk()]}).encode())),
        "max_token_age_seconds": 86400.0,
    }
    return Issuer(**(terms | changes))


def verifier_of(*issuers, agent=None, clock=None, actors=None):
    return SubjectTokens(
        issuers or [issuer_of()],
        agent=agent or StaticAgent(AGENT),
        clock=clock or FakeClock(),
        skew_seconds=SKEW,
        actors=actors,
    )


async def refusal(token, *issuers, agent=None):
    with pytest.raises(Refused) as caught:
        await verifier_of(*issuers, agent=agent).verify(token)
    # A reason must not hand out what it refuses.
    assert not [part for part in token.split(".") if len(part) > 16 and part in str(caught.value)]
    return caught.value.code


@pytest.mark.parametrize("key", [KEY, RSA_KEY], ids=["ES256", "RS256"])
async def test_an_access_token_tells_who_the_person_is(key):
    claims = access_claims(auth_time=int(NOW) - 60, groups=["support"], email="a@example.org")

    subject = await verifier_of(issuer_of(kept_claims=("groups", "absent"))).verify(key.sign(claims))

    assert (
        subject.id,
        subject.issuer,
        subject.claims,
        subject.authenticated_at,
    ) == ("alice", ISSUER, {"groups": ["support"]}, NOW - 60)


async def test_a_use_has_to_be_remembered_for_as_long_as_the_token_is_accepted():
    assert (await verifier_of().verify(KEY.sign(access_claims()))).expires_at == NOW + 600 + SKEW


@pytest.mark.parametrize("algorithm", ["ES384", "ES512", "PS256", "RS512", "EdDSA"])
async def test_other_configured_algorithms_are_accepted(algorithm):
    key = SigningKey.make("k", algorithm)
    keys = StaticKeys(parse(json.dumps({"keys": [key.jwk()]}).encode()))

    verifier = verifier_of(issuer_of(keys=keys, algorithms=frozenset({algorithm})))
    assert (await verifier.verify(key.sign(access_claims()))).id == "alice"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [AUDIENCE]},
        {"aud": "tabard-2"},
        {"exp": int(NOW) - SKEW + 1},
        {"exp": NOW + 0.5},
        {"nbf": int(NOW) + SKEW},
        {"iat": int(NOW) + SKEW},
        {"iat": int(NOW) - 86400 - SKEW},
        {"jti": None},
        {"may_act": {"sub": AGENT}},
        {"may_act": {"sub": AGENT, "iss": "urn:tabard:insecure"}},
        {"unknown": {"deep": [1, 2.5, None, True]}},
    ],
)
async def test_what_is_still_acceptable(changes):
    assert (await verifier_of().verify(KEY.sign(access_claims(**changes)))).id == "alice"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": None}, "unknown_issuer"),
        ({"iss": "https://evil.example.org"}, "unknown_issuer"),
        ({"iss": ISSUER + "/"}, "unknown_issuer"),
        ({"iss": [ISSUER]}, "unknown_issuer"),
        ({"iss": {"a": 1}}, "unknown_issuer"),
        ({"aud": None}, "audience"),
        ({"aud": "other"}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": [AUDIENCE, "other"]}, "audience"),
        ({"aud": [AUDIENCE, AUDIENCE]}, "audience"),
        ({"aud": [AUDIENCE, "tabard-2"]}, "audience"),
        ({"aud": {AUDIENCE: 1}}, "audience"),
        ({"aud": [[AUDIENCE]]}, "audience"),
        ({"exp": None}, "claims"),
        ({"exp": str(int(NOW) + 600)}, "claims"),
        ({"exp": True}, "claims"),
        ({"exp": 1e300}, "claims"),
        ({"exp": -1}, "claims"),
        ({"exp": int(NOW) - SKEW}, "expired"),
        ({"exp": int(NOW) - 10**6}, "expired"),
        ({"nbf": int(NOW) + SKEW + 1}, "not_yet_valid"),
        ({"nbf": "soon"}, "claims"),
        ({"iat": int(NOW) + SKEW + 1}, "not_yet_valid"),
        ({"iat": None}, "claims"),
        ({"iat": int(NOW) - 86400 - SKEW - 1}, "too_old"),
        ({"auth_time": int(NOW) + 3600}, "not_yet_valid"),
        ({"auth_time": "yesterday"}, "claims"),
        ({"sub": None}, "claims"),
        ({"sub": ""}, "claims"),
        ({"sub": 7}, "claims"),
        ({"sub": "a" * 256}, "claims"),
        ({"sub": "a\nb"}, "claims"),
        ({"cnf": {"jkt": "x"}}, "confirmation"),
        ({"cnf": None, "may_act": {"sub": AGENT + "x"}}, "may_act"),
        ({"may_act": {}}, "may_act"),
        ({"may_act": {"iss": "urn:tabard:insecure"}}, "may_act"),
        ({"may_act": AGENT}, "may_act"),
        ({"may_act": [{"sub": AGENT}]}, "may_act"),
        ({"may_act": {"sub": AGENT, "iss": "https://k8s"}}, "may_act"),
        ({"may_act": {"sub": AGENT, "client_id": "x"}}, "may_act"),
        ({"nonce": "n"}, "id_token"),
        ({"at_hash": "n"}, "id_token"),
        ({"c_hash": "n"}, "id_token"),
        ({"s_hash": "n"}, "id_token"),
        ({"typ": "ID"}, "id_token"),
        ({"token_use": "id"}, "id_token"),
        ({"typ": "Refresh"}, "type"),
        ({"typ": "Logout"}, "type"),
    ],
)
async def test_claims_that_are_refused(changes, code):
    assert await refusal(raw_token(KEY, HEADER, access_claims(**changes))) == f"subject_token_{code}"


async def test_a_null_confirmation_is_a_confirmation():
    claims = access_claims() | {"cnf": None}

    assert await refusal(KEY.sign(claims)) == "subject_token_confirmation"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"typ": None}, "type"),
        ({"typ": "JWT"}, "type"),
        ({"typ": "id_token+jwt"}, "type"),
        ({"typ": "tabard-intent+jwt"}, "type"),
        ({"kid": "absent"}, "unknown_key"),
        ({"kid": "rsa-1"}, "algorithm"),
        ({"crit": ["exp"]}, "header"),
        ({"jwk": KEY.jwk()}, "header"),
        ({"jku": "https://evil.example.org/jwks"}, "header"),
        ({"x5u": "https://evil.example.org/cert"}, "header"),
        ({"zip": "DEF"}, "header"),
    ],
)
async def test_headers_that_are_refused(changes, code):
    assert f"subject_token_{code}" == await refusal(KEY.sign(access_claims(), **changes))


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"])
async def test_typ_is_compared_as_a_media_type(typ):
    await verifier_of().verify(KEY.sign(access_claims(), typ=typ))


async def test_a_token_without_kid_is_accepted_if_one_key_fits():
    await verifier_of().verify(KEY.sign(access_claims(), kid=None))


async def test_a_token_without_kid_is_refused_if_several_keys_fit():
    keys = StaticKeys(parse(json.dumps({"keys": [KEY.jwk(), SigningKey.make("key-2").jwk()]}).encode()))

    token = KEY.sign(access_claims(), kid=None)

    assert await refusal(token, issuer_of(keys=keys)) == "subject_token_unknown_key"


@pytest.mark.parametrize("name", ["none", "None", "HS256", "HS512", "ES256K", "RS1", "", "es256"])
async def test_algorithms_that_cannot_be_configured_are_refused(name):
    header = {"alg": name, "typ": "at+jwt", "kid": KEY.kid}

    assert await refusal(raw_token(KEY, header, access_claims())) == "subject_token_algorithm"


@pytest.mark.parametrize("signature", ["", "AA"])
async def test_an_unsigned_token_is_refused(signature):
    head = encode_segment({"alg": "none", "typ": "at+jwt"})

    token = f"{head}.{encode_segment(access_claims())}.{signature}"

    assert await refusal(token) == "subject_token_algorithm"


@pytest.mark.parametrize("secret", [RSA_KEY.pem(), json.dumps(RSA_KEY.jwk()).encode()])
async def test_an_hmac_with_the_public_key_as_secret_is_refused(secret):
    signing_input = f"{encode_segment({'alg': 'HS256', 'typ': 'at+jwt', 'kid': 'rsa-1'})}.{encode_segment(access_claims())}"
    forged = encode_segment(hmac.digest(secret, signing_input.encode(), hashlib.sha256))

    assert await refusal(f"{signing_input}.{forged}") == "subject_token_algorithm"


async def test_an_algorithm_that_the_issuer_does_not_use_is_refused():
    terms = issuer_of(algorithms=frozenset({"RS256"}))

    assert await refusal(KEY.sign(access_claims()), terms) == "subject_token_algorithm"


async def test_another_issuers_key_does_not_sign_for_this_one():
    other = SigningKey.make(KEY.kid)

    assert await refusal(other.sign(access_claims())) == "subject_token_signature"


@pytest.mark.parametrize("position", [0, 1, 2])
async def test_an_altered_token_is_refused(position):
    segments = KEY.sign(access_claims()).split(".")
    altered = {
        0: encode_segment({"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid, "x": 1}),
        1: encode_segment(access_claims(sub="mallory")),
        2: encode_segment(bytes(64)),
    }
    segments[position] = altered[position]

    assert await refusal(".".join(segments)) == "subject_token_signature"


async def test_no_token_is_a_reason_of_its_own():
    assert await refusal("") == "subject_token_missing"


GOOD = KEY.sign(access_claims())


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "..",
        "a.b",
        GOOD + ".x",
        GOOD + "=",
        GOOD + "\n",
        " " + GOOD,
        GOOD.replace(".", ".="),
        "é" + GOOD,
        GOOD + "A" * 17000,
        raw_token(KEY, b"[]", access_claims()),
        raw_token(KEY, HEADER, b"[]"),
        raw_token(KEY, HEADER, b"null"),
        raw_token(KEY, HEADER, b'{"a":1}\xff'),
        raw_token(KEY, HEADER, b"[" * 5000),
        raw_token(KEY, HEADER, b'{"a":' * 2000),
        raw_token(KEY, HEADER, b'{"exp":NaN}'),
        raw_token(KEY, HEADER, b'{"exp":1e999}'),
        raw_token(KEY, HEADER, b'{"exp":' + b"9" * 5000 + b"}"),
        raw_token(KEY, HEADER, b'{"exp":9007199254740993}'),
        raw_token(KEY, HEADER, b'{"sub":"\\ud800"}'),
        raw_token(KEY, HEADER, b'{"sub":"alice","sub":"bob"}'),
        raw_token(KEY, HEADER, b'{"x":{"a":1,"a":2}}'),
        raw_token(KEY, b'{"alg":"ES256","alg":"none"}', access_claims()),
        raw_token(KEY, {"typ": "at+jwt"}, access_claims()),
        raw_token(KEY, {"alg": 1}, access_claims()),
        raw_token(KEY, {"alg": ["ES256"]}, access_claims()),
        raw_token(KEY, HEADER | {"kid": 1}, access_claims()),
        raw_token(KEY, HEADER | {"kid": "k" * 300}, access_claims()),
        raw_token(KEY, HEADER | {"typ": None}, access_claims()),
    ],
    ids=range(30),
)
async def test_what_is_no_strict_jwt_is_refused(token):
    assert await refusal(token) == "subject_token_malformed"


async def test_base64_with_unused_bits_set_is_refused():
    """Else one token would have several spellings."""
    head, claims, signature = GOOD.split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spelled = signature[:-1] + alphabet[alphabet.index(signature[-1]) + 1]
    assert base64.urlsafe_b64decode(spelled + "==") == base64.urlsafe_b64decode(signature + "==")

    assert await refusal(f"{head}.{claims}.{spelled}") == "subject_token_malformed"


async def test_a_token_keeps_its_name_when_its_signature_is_respelled():
    """ECDSA signatures can be altered without the key and still verify."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    token = KEY.sign(access_claims(jti=None))
    signing_input, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    twin = raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")

    one = await verifier_of().verify(token)
    two = await verifier_of().verify(f"{signing_input}.{encode_segment(twin)}")

    assert one.token_id == two.token_id


async def test_tokens_are_named_by_issuer_and_jti():
    other = issuer_of(issuer="https://other.example.org")
    verifier = verifier_of(issuer_of(), other)

    names = {
        (await verifier.verify(KEY.sign(access_claims(**changes)))).token_id
        for changes in ({}, {"sub": "bob"}, {"jti": "token-2"}, {"iss": other.issuer}, {"jti": None})
    }

    assert len(names) == 4


async def test_required_claims_must_be_there_and_not_empty():
    terms = issuer_of(required_claims=("groups",))
    await verifier_of(terms).verify(KEY.sign(access_claims(groups=["a"])))

    for empty in (None, "", [], {}):
        assert await refusal(KEY.sign(access_claims() | {"groups": empty}), terms) == "subject_token_claims"
    assert await refusal(KEY.sign(access_claims()), terms) == "subject_token_claims"


async def test_the_person_can_be_named_by_another_claim():
    terms = issuer_of(subject_claim="oid")

    assert (await verifier_of(terms).verify(KEY.sign(access_claims(oid="o-1")))).id == "o-1"
    assert await refusal(KEY.sign(access_claims()), terms) == "subject_token_claims"


@pytest.mark.parametrize(("age", "code"), [(None, "claims"), (331, "too_old"), (330, None)])
async def test_authentication_can_have_to_be_fresh(age, code):
    terms = issuer_of(max_auth_age_seconds=300.0)
    token = KEY.sign(access_claims(auth_time=age and int(NOW) - age))

    if code is None:
        await verifier_of(terms).verify(token)
    else:
        assert await refusal(token, terms) == f"subject_token_{code}"


@pytest.mark.parametrize(
    "marker", [{"scope": "x"}, {"scp": ["x"]}, {"client_id": "c"}, {"typ": "Bearer"}, {"token_use": "access"}]
)
async def test_an_issuer_with_generic_types_must_mark_its_access_tokens(marker):
    terms = issuer_of(types=frozenset({"jwt", ""}))
    bare = access_claims(client_id=None)

    for typ in ("JWT", None):
        await verifier_of(terms).verify(KEY.sign(bare | marker, typ=typ))
        assert await refusal(KEY.sign(bare, typ=typ), terms) == "subject_token_id_token"


async def test_may_act_cannot_be_checked_without_an_identity():
    token = KEY.sign(access_claims(may_act={"sub": AGENT}))

    with pytest.raises(NoDecision) as caught:
        await verifier_of(agent=NoAgent()).verify(token)

    assert caught.value.code == "agent_identity_unavailable"


ACTOR = {"iss": ISSUER, "sub": "orders-agent", "aud": "x", "client_id": "orders-agent"}


@pytest.mark.parametrize(
    "may_act",
    [
        {"sub": "orders-agent"},
        {"sub": "orders-agent", "iss": ISSUER},
        {"sub": "orders-agent", "client_id": "orders-agent"},
        {"sub": AGENT},
    ],
)
async def test_may_act_may_name_who_the_workload_is_at_the_issuer(may_act):
    verifier = verifier_of(actors={ISSUER: [lambda: {"sub": "other"}, lambda: ACTOR]})
    assert (await verifier.verify(KEY.sign(access_claims(may_act=may_act)))).id == "alice"


@pytest.mark.parametrize(
    ("may_act", "issuer"),
    [
        ({"sub": "orders-agent", "iss": "https://other"}, ISSUER),
        ({"sub": "orders-agent", "client_id": "x"}, ISSUER),
        ({"sub": "orders-agent", "email": "x"}, ISSUER),
        ({"client_id": "orders-agent"}, ISSUER),
        ({"iss": ISSUER}, ISSUER),
        (["orders-agent"], ISSUER),
        (None, ISSUER),
        ({"sub": "orders-agent"}, "https://other"),
    ],
)
async def test_may_act_names_nobody_else(may_act, issuer):
    verifier = verifier_of(actors={issuer: [lambda: ACTOR]})
    with pytest.raises(Refused) as caught:
        await verifier.verify(KEY.sign(access_claims() | {"may_act": may_act}))
    assert caught.value.code == "subject_token_may_act"


async def test_may_act_cannot_be_checked_without_the_workloads_token():
    def unreadable():
        raise NoDecision("FAILED_PRECONDITION", "exchange_refused", "exchange.main: /a: holds no token")

    verifier = verifier_of(actors={ISSUER: [unreadable]})
    with pytest.raises(NoDecision, match="holds no token"):
        await verifier.verify(KEY.sign(access_claims(may_act={"sub": "orders-agent"})))
    # It isn't read if it isn't needed.
    for claims in ({}, {"may_act": {"sub": AGENT}}):
        await verifier.verify(KEY.sign(access_claims(**claims)))


async def test_no_log_holds_a_token(caplog):
    caplog.set_level(logging.DEBUG)
    good = KEY.sign(access_claims())
    await verifier_of().verify(good)
    refused = [good[:-4], KEY.sign(access_claims(aud="x")), KEY.sign(access_claims(), kid="x"), good + "."]
    for token in refused:
        await refusal(token)

    parts = {part for token in (good, *refused) for part in token.split(".") if part}
    assert not [part for part in parts if part in caplog.text]


def test_an_issuer_listed_twice_is_an_error():
    with pytest.raises(ValueError, match="twice"):
        verifier_of(issuer_of(), issuer_of())


@settings(deadline=None)
@given(st.text() | st.lists(st.binary(max_size=40).map(encode_segment), min_size=3, max_size=3).map(".".join))
async def test_no_text_does_anything_but_be_refused(token):
    assert (await refusal(token)).startswith("subject_token_")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**54), 2**54) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = [
    "alg",
    "typ",
    "kid",
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "auth_time",
    "may_act",
    "scope",
    "typ",
]


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from([*NAMES, "crit", "b64"]), JSON, max_size=3),
    st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3),
)
async def test_a_signed_token_with_any_values_is_accepted_or_refused(header, claims):
    token = raw_token(KEY, HEADER | header, access_claims() | claims)
    try:
        subject = await verifier_of().verify(token)
    except Refused as error:
        assert error.code.startswith("subject_token_")  # noqa: PT017 - both outcomes are right
    else:
        assert subject.issuer == ISSUER
