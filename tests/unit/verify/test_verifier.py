"""The credentials that a backend accepts, and the calls for which it accepts them."""

import base64
import hmac
import json
import time
from collections import Counter, UserDict
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
import tabard
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st
from tabard import caveats, macaroon
from tabard.arguments import call_digest, canonical
from tabard.testing import FakeIssuer
from tabard.verify import Call, Rejected, SqliteReplayStore, Verifier
from tabard.verify.errors import CODES

ARGUMENTS = {"order": "A-17", "amount": 20}


def code_of(verifier, token, tool="refunds.create", arguments=None, server=""):
    """Return the code with which a credential is rejected."""
    with pytest.raises(Rejected) as caught:
        verifier.verify(token, tool, ARGUMENTS if arguments is None else arguments, server)
    assert caught.value.code in CODES
    return caught.value.code


@pytest.mark.parametrize("kind", ["jwt", "macaroon"])
def test_a_genuine_credential_hands_over_subject_chain_and_purpose(issuer, verifier, kind):
    token = getattr(issuer, kind)("refunds.create", ARGUMENTS, scopes=["write", "read"])
    verified = verifier.verify(token, "refunds.create", {"amount": 20, "order": "A-17"})
    assert verified.kind == kind
    assert verified.subject == tabard.Subject("fake-subject", "https://issuer.invalid")
    assert [link.kind for link in verified.chain] == ["root", "hop"]
    assert verified.agent == verified.chain[-1].holder
    assert verified.purpose == "testing"
    assert verified.intent_source == "asserted"
    assert verified.scopes == ("read", "write")
    assert verified.arguments == ARGUMENTS
    assert verified.decision_id == "fake-decision"
    assert token not in repr(verified)


@pytest.mark.parametrize("kind", ["jwt", "macaroon"])
@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"aud": "orders"}, "credential_audience"),
        ({"aud": ["refunds"]}, "credential_claims"),
        ({"aud": None}, "credential_claims"),
        ({"iss": "urn:tabard:zone:other"}, "credential_issuer"),
        ({"exp": int(time.time()) - 6}, "credential_expired"),
        ({"exp": "2099"}, "credential_claims"),
        ({"exp": True}, "credential_claims"),
        ({"exp": 1e300}, "credential_claims"),
        ({"exp": None}, "credential_claims"),
        ({"iat": int(time.time()) + 86_400}, "credential_not_yet_valid"),
        ({"sub": ""}, "credential_claims"),
        ({"sub_iss": None}, "credential_claims"),
        ({"jti": None}, "credential_claims"),
        ({"tabard_chain": []}, "credential_claims"),
        ({"tabard_chain": [{"kind": "leap", "holder": "x"}]}, "credential_claims"),
        ({"tabard_chain": ["x"]}, "credential_claims"),
        ({"tctx": "x"}, "credential_claims"),
        ({"tabard_call": None}, "credential_claims"),
        ({"tabard_single_use": "true"}, "credential_claims"),
        ({"tabard_uses": 3}, "credential_claims"),
        ({"tabard_uses": 3, "tabard_single_use": False}, "credential_claims"),
        *[
            ({"tabard_uses": uses, "tabard_single_use": True}, "credential_claims")
            for uses in (1, 0, -3, 101, 2.5, True, "3", [3])
        ],
    ],
)
def test_claims_that_do_not_fit_are_refused(issuer, verifier, kind, options, code):
    assert code_of(verifier, getattr(issuer, kind)("refunds.create", ARGUMENTS, **options)) == code


@pytest.mark.parametrize("kind", ["jwt", "macaroon"])
def test_the_call_has_to_be_the_one_that_was_decided_about(issuer, verifier, kind):
    token = getattr(issuer, kind)("refunds.create", ARGUMENTS, server="crm")
    verifier.verify(token, "refunds.create", ARGUMENTS, "crm")
    assert code_of(verifier, token, tool="refunds.cancel", server="crm") == "tool_mismatch"
    assert code_of(verifier, token) == "tool_mismatch"
    for changed in (
        {**ARGUMENTS, "amount": 21},
        {"order": "A-17"},
        {**ARGUMENTS, "note": ""},
        {},
        {"amount": True},
    ):
        assert code_of(verifier, token, arguments=changed, server="crm") == "arguments_mismatch"


@pytest.mark.parametrize(
    "arguments", [{"x": float("nan")}, {"x": object()}, {1: 2}, {"x": 2**60}, {"x": "\ud800"}]
)
def test_arguments_that_have_no_digest_are_refused(issuer, verifier, arguments):
    assert (
        code_of(verifier, issuer.jwt("refunds.create", ARGUMENTS), arguments=arguments) == "call_unreadable"
    )


def test_numbers_are_compared_by_value(issuer, verifier):
    token = issuer.jwt("refunds.create", {"amount": 20.0})
    assert verifier.verify(token, "refunds.create", {"amount": 20})


def test_leeway_is_configurable(issuer, replay, tmp_path):
    jwks = issuer.write_jwks(tmp_path / "jwks.json")
    token = issuer.jwt("t", exp=int(time.time()) - 30)
    options = {"issuer": issuer.name, "jwks": jwks, "replay": replay}
    assert code_of(Verifier("refunds", **options), token) == "credential_expired"
    assert Verifier("refunds", leeway_seconds=60, **options).verify(token, "t", {})


@pytest.mark.parametrize("kind", ["jwt", "macaroon"])
def test_a_single_use_credential_is_accepted_once(issuer, verifier, kind):
    token = getattr(issuer, kind)("refunds.create", ARGUMENTS, single_use=True)
    assert code_of(verifier, token, arguments={}) == "arguments_mismatch"
    assert verifier.verify(token, "refunds.create", ARGUMENTS).single_use
    assert code_of(verifier, token) == "credential_used"


class Shifting(UserDict):
    """Names another amount at each reading."""

    def __getitem__(self, key):
        if key == "amount":
            self.data["amount"] += 1
        return self.data[key]


def test_the_handler_gets_the_arguments_that_were_compared(issuer, verifier):
    """Also if an extractor returns a mapping that changes between two readings."""
    token = issuer.jwt("refunds.create", ARGUMENTS)
    call = Call("refunds.create", Shifting({**ARGUMENTS, "amount": ARGUMENTS["amount"] - 1}))
    assert verifier.authorize(verifier.authenticate(token), call).arguments == ARGUMENTS


@pytest.mark.parametrize("kind", ["jwt", "macaroon"])
def test_a_credential_with_uses_is_accepted_so_often(issuer, verifier, kind):
    token, other = (getattr(issuer, kind)("refunds.create", ARGUMENTS, uses=3) for _ in range(2))
    for _ in range(3):
        assert code_of(verifier, token, arguments={}) == "arguments_mismatch"
        verified = verifier.verify(token, "refunds.create", ARGUMENTS)
        assert (verified.uses, verified.single_use) == (3, False)
    for _ in range(2):
        assert code_of(verifier, token) == "credential_used"
    assert verifier.verify(other, "refunds.create", ARGUMENTS)


def test_uses_are_counted_among_all_that_ask_at_once(issuer, verifier):
    token = issuer.jwt("refunds.create", ARGUMENTS, uses=20)

    def outcome(_: int) -> str:
        try:
            verifier.verify(token, "refunds.create", ARGUMENTS)
        except Rejected as rejected:
            return rejected.code
        return "accepted"

    with ThreadPoolExecutor(16) as pool:
        outcomes = Counter(pool.map(outcome, range(60)))
    assert outcomes == {"accepted": 20, "credential_used": 40}


def test_another_credential_is_accepted_more_than_once(issuer, verifier):
    token = issuer.jwt("refunds.create", ARGUMENTS)
    for _ in range(3):
        assert verifier.verify(token, "refunds.create", ARGUMENTS)


def test_a_replay_store_that_cannot_write_refuses(issuer, tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a directory has to be")
    jwks = issuer.write_jwks(tmp_path / "jwks.json")
    store = SqliteReplayStore(blocked / "replay.sqlite3")
    verifier = Verifier("refunds", issuer=issuer.name, jwks=jwks, replay=store)
    assert code_of(verifier, issuer.jwt("refunds.create", ARGUMENTS, single_use=True)) == "replay_unavailable"
    assert verifier.verify(issuer.jwt("refunds.create", ARGUMENTS), "refunds.create", ARGUMENTS)


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_forged_signatures_are_refused(issuer, verifier):
    token = issuer.jwt("refunds.create", ARGUMENTS)
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    widened = _b64(json.dumps({**claims, "sub": "admin"}).encode())
    assert code_of(verifier, f"{head}.{widened}.{signature}") == "credential_signature"
    stranger = FakeIssuer("refunds")
    assert code_of(verifier, stranger.jwt("refunds.create", ARGUMENTS)) == "credential_signature"
    assert code_of(verifier, f"{head}.{body}.") in {"credential_signature", "credential_malformed"}


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"typ": "JWT"}, "credential_type"),
        ({"typ": "at+jwt"}, "credential_type"),
        ({"typ": "tabard-intent+jwt"}, "credential_type"),
        ({"kid": "other"}, "credential_unknown_key"),
        ({"kid": ""}, "credential_malformed"),
    ],
)
def test_headers_that_do_not_fit_are_refused(issuer, verifier, header, code):
    assert code_of(verifier, issuer.jwt("refunds.create", ARGUMENTS, header=header)) == code


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "EdDSA"},
        {"alg": "ES384"},
        {"alg": ["ES256"]},
        {},
        {"alg": "ES256", "crit": ["x"], "x": 1},
        {"alg": "ES256", "b64": False},
    ],
)
def test_other_algorithms_and_extensions_are_refused(issuer, verifier, header):
    claims = issuer.claims("refunds.create", ARGUMENTS)
    full = {"typ": "tabard+jwt", "kid": "signing-1", **header}
    token = f"{_b64(json.dumps(full).encode())}.{_b64(json.dumps(claims).encode())}.{_b64(bytes(64))}"
    assert code_of(verifier, token) in {"credential_algorithm", "credential_malformed"}


def test_a_public_key_is_no_hmac_secret(issuer, verifier):
    public = json.dumps(issuer.jwks()["keys"][0]).encode()
    head = _b64(b'{"alg": "HS256", "kid": "signing-1", "typ": "tabard+jwt"}')
    signed = f"{head}.{_b64(json.dumps(issuer.claims('refunds.create', ARGUMENTS)).encode())}"
    signature = _b64(hmac.digest(public, signed.encode(), "sha256"))
    assert code_of(verifier, f"{signed}.{signature}") == "credential_algorithm"


def test_ed25519_keys_work_as_well(issuer, replay, tmp_path):
    private = ed25519.Ed25519PrivateKey.generate()
    public = jwt.algorithms.OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [{**public, "kid": "ed", "alg": "EdDSA"}]}))
    verifier = Verifier("refunds", issuer=issuer.name, jwks=path, replay=replay)
    claims = issuer.claims("refunds.create", ARGUMENTS)
    headers = {"kid": "ed", "typ": "tabard+jwt"}
    token = jwt.encode(claims, private, algorithm="EdDSA", headers=headers)
    assert verifier.verify(token, "refunds.create", ARGUMENTS)
    wrong = jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers=headers)
    assert code_of(verifier, wrong) == "credential_algorithm"


def test_a_grant_is_refused_and_the_log_says_what_happened(issuer, verifier):
    with pytest.raises(Rejected, match="grant") as caught:
        verifier.authenticate(issuer.macaroon("refunds.create", ARGUMENTS, kind="grant"))
    assert caught.value.code == "credential_type"
    real = macaroon.mint(bytes(32), canonical({"kid": "root-fake", "type": "grant", "version": 1}))
    assert code_of(verifier, real) == "credential_type"


def test_a_macaroon_of_another_key_is_refused(issuer, verifier):
    assert (
        code_of(verifier, FakeIssuer("refunds").macaroon("refunds.create", ARGUMENTS))
        == "credential_signature"
    )
    identifier = canonical({"claims": {}, "kid": "root-other", "type": "credential", "version": 1})
    assert code_of(verifier, macaroon.mint(bytes(32), identifier)) == "credential_unknown_key"


def _digest(arguments):
    return call_digest("refunds.create", "", canonical(arguments))


def test_a_holder_can_take_authority_away_from_a_macaroon(issuer, verifier):
    appended = [
        caveats.Scopes(("read", "more")),
        caveats.Audiences(("refunds", "orders")),
        caveats.Call(_digest(ARGUMENTS)),
        caveats.Expiry(time.time() + 30),
    ]
    token = issuer.macaroon("refunds.create", ARGUMENTS, scopes=["read", "write"])
    token = macaroon.append(token, map(caveats.encode_caveat, appended))
    verified = verifier.verify(token, "refunds.create", ARGUMENTS)
    assert verified.scopes == ("read",)
    assert verified.expires_at <= time.time() + 30


@pytest.mark.parametrize(
    ("caveat", "code"),
    [
        (caveats.Audiences(("orders",)), "credential_caveat"),
        (caveats.Expiry(1.0), "credential_expired"),
        (caveats.Call(_digest({})), "arguments_mismatch"),
        (caveats.Tools(("*",)), "credential_caveat"),
        (caveats.ReadOnly(), "credential_caveat"),
    ],
)
def test_a_caveat_that_is_not_met_or_does_not_belong_refuses(issuer, verifier, caveat, code):
    token = issuer.macaroon("refunds.create", ARGUMENTS, caveats=[caveats.encode_caveat(caveat)])
    assert code_of(verifier, token) == code


def test_unreadable_and_third_party_caveats_refuse(issuer, verifier):
    token = issuer.macaroon("refunds.create", ARGUMENTS)
    assert code_of(verifier, macaroon.append(token, [b"anything"])) == "credential_caveat"
    other = macaroon.append_third_party(token, "elsewhere", bytes(32), b"id")
    assert code_of(verifier, other) in {"credential_caveat", "credential_signature"}


def test_kinds_that_are_not_configured_are_refused(issuer, replay, tmp_path):
    only_jwt = Verifier("refunds", issuer=issuer.name, jwks=issuer.write_jwks(tmp_path / "j"), replay=replay)
    keys = issuer.write_audience_keys(tmp_path / "k")
    only_macaroon = Verifier("refunds", issuer=issuer.name, audience_keys=keys, replay=replay)
    assert code_of(only_jwt, issuer.macaroon("refunds.create", ARGUMENTS)) == "credential_type"
    assert code_of(only_macaroon, issuer.jwt("refunds.create", ARGUMENTS)) == "credential_type"


@pytest.mark.parametrize(
    "token", ["", " ", "a.b.c", "a.b", "a.b.c.d.e", "é", "x" * 40000, "AAAA", ".", "..", "AgEA"]
)
def test_rubbish_is_refused(verifier, token):
    assert code_of(verifier, token).startswith("credential_")


@given(
    st.text(max_size=200)
    | st.binary(max_size=200).map(_b64)
    | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True)
)
def test_no_random_token_crashes_or_passes(token):
    keys = _NEVER
    with pytest.raises(Rejected):
        keys.verify(token, "t", {})


class _NoReplay:
    def accept(self, *_):
        return True


@pytest.fixture(scope="module", autouse=True)
def _never(tmp_path_factory):
    global _NEVER  # noqa: PLW0603  # hypothesis and function-scoped fixtures don't mix
    issuer, directory = FakeIssuer("refunds"), tmp_path_factory.mktemp("keys")
    _NEVER = Verifier(
        "refunds",
        issuer=issuer.name,
        jwks=issuer.write_jwks(directory / "jwks.json"),
        audience_keys=issuer.write_audience_keys(directory / "keys.json"),
        replay=_NoReplay(),
    )


@pytest.mark.parametrize(
    "options",
    [
        {"issuer": "i"},
        {"issuer": "", "jwks": "x"},
        {"issuer": "i", "jwks": "http://example.com/jwks.json"},
        {"issuer": "i", "jwks": "ftp://example.com/jwks.json"},
        {"issuer": "i", "audience_keys": "/nowhere"},
    ],
)
def test_senseless_configuration_is_refused_at_once(options):
    with pytest.raises(ValueError, match=r".+"):
        Verifier("refunds", **options)


def test_audience_keys_have_to_be_private_and_this_audiences(issuer, tmp_path):
    path = issuer.write_audience_keys(tmp_path / "keys.json")
    with pytest.raises(ValueError, match="audience"):
        Verifier("orders", issuer="i", audience_keys=path)
    path.chmod(0o644)
    with pytest.raises(ValueError, match="chmod 600"):
        Verifier("refunds", issuer="i", audience_keys=path)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{}",
        '{"audience": "refunds"}',
        '{"audience": "refunds", "keys": [{"kid": "a", "kty": "oct", "k": "AAAA"}]}',
        '{"audience": "refunds", "keys": [{"kid": "a", "kty": "EC", "k": "%s"}]}' % ("A" * 43),
        '{"audience": "refunds", "keys": [{"kid": "a", "kty": "oct", "k": 1}]}',
    ],
)
def test_a_broken_export_is_refused(tmp_path, document):
    path = tmp_path / "keys.json"
    path.touch(mode=0o600)
    path.write_text(document)
    with pytest.raises(ValueError, match=r".+"):
        Verifier("refunds", issuer="i", audience_keys=path)
