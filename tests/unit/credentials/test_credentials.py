"""Credentials of both kinds: what they say, who accepts them, and what is refused."""

import base64
import json
import logging
from dataclasses import replace

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabard import macaroon
from tabard.caveats import Audiences, Call, Expiry, Scopes, Tools, encode_caveat
from tabard_sidecar.credentials import CredentialsConfig, build_issuers, introspection_response
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.keys import ROOT, SIGNING, Keyring, jwks
from tabard_sidecar.model import Subject, ToolCall

from tests.support.credentials import AUDIENCE, BRANCH, CALL, HOP, PREFIX, grant_of, request_of
from tests.support.tokens import NOW, FakeClock, SigningKey, encode_segment, raw_token

KINDS = ["jwt", "macaroon"]
both_kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def keyring(tmp_path, clock):
    ring = Keyring.create_directory(tmp_path / "keys", clock=clock)
    ring.create(ROOT)
    ring.create(SIGNING)
    return ring


@pytest.fixture
def issuers(keyring, clock):
    return build_issuers(CredentialsConfig(), zone="support", keyring=keyring, clock=clock)


async def issue(issuers, kind, **changes):
    return await issuers.get(kind).issue(request_of(kind, **changes))


def refused(issuers, value, kind=None):
    with pytest.raises(Refused) as caught:
        (issuers.get(kind) if kind else issuers).inspect(value)
    assert caught.value.code == "credential_invalid"
    return caught.value.message


EXPECTED = {
    "iss": "urn:tabard:zone:support",
    "aud": AUDIENCE,
    "sub": "alice",
    "sub_iss": "https://login.example.org",
    "auth_time": int(NOW) - 61,
    "iat": int(NOW),
    "exp": int(NOW) + 60,
    "jti": "cred-1",
    "txn": "task-1",
    "scope": "orders:read refunds:write",
    "req_wl": PREFIX + "orders",
    "tctx": {"purpose": "refunds", "intent_source": "signed", "started_at": int(NOW) - 5},
    "rctx": {
        "decision_id": "decision-1",
        "agent_issuer": "https://k8s",
        "namespace": "shop",
        "pod": "orders-1",
    },
    "act": {
        "sub": PREFIX + "orders",
        "sub_agent": "reader",
        "act": {"sub": PREFIX + "orders", "act": {"sub": PREFIX + "front"}},
    },
    "tabard_zone": "support",
    "tabard_chain": [
        {"kind": "root", "holder": PREFIX + "front"},
        {"kind": "hop", "holder": PREFIX + "orders"},
        {"kind": "branch", "holder": PREFIX + "orders", "sub_agent": "reader"},
    ],
    "tabard_link": "2" * 64,
    "tabard_tool": "refunds.create",
    "tabard_call": CALL,
}


@both_kinds
async def test_a_credential_holds_exactly_the_documented_claims(issuers, kind):
    issued = await issue(issuers, kind)

    found = issuers.inspect(issued.value)

    assert found.claims == EXPECTED
    assert (issued.kind, issued.credential_id, issued.audience, issued.expires_at) == (
        kind,
        "cred-1",
        AUDIENCE,
        NOW + 60,
    )
    assert (
        found.credential_id,
        found.kind,
        found.task_id,
        found.scopes,
        found.tool,
        found.call_digest,
        found.uses,
    ) == (
        "cred-1",
        kind,
        "task-1",
        ("orders:read", "refunds:write"),
        "refunds.create",
        CALL,
        0,
    )


@both_kinds
async def test_uses_that_are_counted(issuers, kind):
    """A verifier that knows nothing of ``tabard_uses`` accepts the credential once."""
    found = issuers.inspect((await issue(issuers, kind, uses=3)).value)
    assert (found.claims["tabard_single_use"], found.claims["tabard_uses"], found.uses) == (True, 3, 3)


@both_kinds
async def test_optional_claims(issuers, kind):
    """Claims of what a request has not are left out, and scopes may be empty."""
    call = ToolCall("refunds.create", "billing", {}, b"{}", CALL)
    plain = grant_of(subject=Subject("bob", "https://login.example.org"))

    found = issuers.inspect((await issue(issuers, kind, call=call, uses=1, scopes=(), grant=plain)).value)

    assert (found.claims["tabard_server"], found.claims["tabard_single_use"], found.uses) == (
        "billing",
        True,
        1,
    )
    assert "tabard_uses" not in found.claims
    assert (found.claims["scope"], found.scopes) == ("", ())
    assert "auth_time" not in found.claims
    assert found.claims["act"] == {"sub": PREFIX + "front"}


@both_kinds
async def test_grants_do_not_get_into_each_others_credentials(issuers, kind):
    """What is remembered per grant is remembered under its digest."""
    grants = [
        grant_of(HOP, digest=f"d{number}", subject=Subject(f"person-{number}", "i")) for number in range(1100)
    ]
    for grant in (*grants, *grants[:5], *grants[-5:]):
        value = (await issue(issuers, kind, grant=grant)).value
        if grant in grants[:5] or grant in grants[-5:]:
            assert issuers.inspect(value).subject_id == grant.subject.id


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
async def test_a_jwt_verifies_with_the_published_keys_and_nothing_else(tmp_path, clock, algorithm):
    ring = Keyring.create_directory(tmp_path / "k", clock=clock)
    key = ring.create(SIGNING, algorithm=algorithm)
    issuers = build_issuers(
        CredentialsConfig(issuer="https://t.example.org"), zone="z", keyring=ring, clock=clock
    )
    value = (await issue(issuers, "jwt")).value
    published = jwt.PyJWKSet.from_dict(jwks(ring))

    claims = jwt.decode(
        value,
        published[key.kid].key,
        algorithms=[algorithm],
        audience=AUDIENCE,
        issuer="https://t.example.org",
        options={"verify_exp": False, "verify_iat": False},
    )

    assert claims["jti"] == "cred-1"
    assert jwt.get_unverified_header(value) == {"alg": algorithm, "kid": key.kid, "typ": "tabard+jwt"}


async def test_es256_signatures_of_every_length_verify(issuers):
    """R and S are short now and then and have to be padded."""
    for number in range(300):
        value = (await issue(issuers, "jwt", credential_id=f"c{number}")).value
        assert issuers.inspect(value).claims["jti"] == f"c{number}"


async def test_a_jwt_never_lives_longer_than_configured(keyring, clock):
    config = CredentialsConfig(max_ttl_seconds=120)
    issuers = build_issuers(config, zone="support", keyring=keyring, clock=clock)

    issued = await issue(issuers, "jwt", expires_at=NOW + 100_000)

    assert issued.expires_at == NOW + 120
    assert issuers.inspect(issued.value).expires_at == NOW + 120


def test_more_than_five_minutes_cannot_be_configured():
    with pytest.raises(ValueError, match="300"):
        CredentialsConfig(max_ttl_seconds=301)


async def test_a_macaroon_never_outlives_its_grant(issuers):
    assert (await issue(issuers, "macaroon", expires_at=NOW + 100_000)).expires_at == NOW + 600


@both_kinds
async def test_a_credential_expires_on_time(issuers, clock, kind):
    value = (await issue(issuers, kind)).value
    clock.advance(59.999)
    issuers.inspect(value)

    clock.advance(0.001)

    refused(issuers, value)


@both_kinds
async def test_a_retry_gives_the_same_claims(issuers, kind):
    one, two = [(await issue(issuers, kind)).value for _ in range(2)]

    assert issuers.inspect(one) == issuers.inspect(two)


@pytest.mark.parametrize(("kind", "use"), [("jwt", SIGNING), ("macaroon", ROOT)])
async def test_a_rotation_takes_over_and_leaves_what_was_issued_before(issuers, keyring, clock, kind, use):
    before = (await issue(issuers, kind)).value
    old = keyring.active(use)
    keyring.rotate(use, overlap_seconds=20, lead_seconds=10)
    clock.advance(10)
    after = (await issue(issuers, kind)).value

    assert issuers.inspect(before).credential_id == issuers.inspect(after).credential_id
    clock.advance(20)
    refused(issuers, before)
    issuers.inspect(after)
    assert keyring.get(old.kid, use) is None


@pytest.mark.parametrize(("kind", "use"), [("jwt", SIGNING), ("macaroon", ROOT)])
async def test_without_an_active_key_nothing_is_issued(tmp_path, clock, kind, use):
    ring = Keyring.create_directory(tmp_path / "k", clock=clock)
    ring.create(use, active_from=NOW + 60)
    issuers = build_issuers(CredentialsConfig(), zone="z", keyring=ring, clock=clock)

    with pytest.raises(NoDecision) as caught:
        await issue(issuers, kind)

    assert caught.value.code == "keys_unavailable"


@both_kinds
async def test_another_zones_credential_is_refused(issuers, keyring, tmp_path, clock, kind):
    same_keys = build_issuers(CredentialsConfig(), zone="other", keyring=keyring, clock=clock)
    ring = Keyring.create_directory(tmp_path / "other", clock=clock)
    ring.create(ROOT)
    ring.create(SIGNING)
    other_keys = build_issuers(CredentialsConfig(), zone="support", keyring=ring, clock=clock)

    refused(issuers, (await issue(same_keys, kind)).value)
    refused(issuers, (await issue(other_keys, kind)).value)


@pytest.mark.parametrize("scope", ["a b", "", 'a"b', "a\\b", "a\nb", "ä", "a\tb"])
@both_kinds
async def test_a_scope_that_the_claim_cannot_carry_is_refused(issuers, kind, scope):
    with pytest.raises(Refused) as caught:
        await issue(issuers, kind, scopes=("ok", scope))

    assert caught.value.code == "policy_error"


@both_kinds
async def test_a_deep_chain_is_whole_in_the_chain_and_cut_in_act(issuers, kind):
    links = tuple(replace(HOP, holder=f"{PREFIX}agent-{number}") for number in range(100))

    claims = issuers.inspect((await issue(issuers, kind, grant=grant_of(*links))).value).claims

    assert [step["holder"] for step in claims["tabard_chain"]] == [
        PREFIX + "front",
        *(link.holder for link in links),
    ]
    actors, actor = [], claims["act"]
    while actor:
        actors.append(actor["sub"])
        actor = actor.get("act")
    assert actors == [link.holder for link in links[:67:-1]]


@both_kinds
async def test_a_chain_that_fits_into_no_credential_is_refused(issuers, kind):
    links = tuple(replace(HOP, holder=PREFIX + "a" * 500) for _ in range(200))

    with pytest.raises(Refused) as caught:
        await issue(issuers, kind, grant=grant_of(*links))

    assert caught.value.code == "depth_exceeded"


@both_kinds
async def test_words_of_people_and_agents_come_through_unharmed(issuers, kind):
    odd = '"}],\\ \u2028 <script> ü \x7f 🂡'
    links = (HOP, replace(BRANCH, sub_agent=odd))
    call = ToolCall(odd, odd, {}, b"{}", CALL)

    claims = issuers.inspect((await issue(issuers, kind, grant=grant_of(*links), call=call)).value).claims

    assert (claims["tabard_tool"], claims["tabard_server"], claims["tabard_chain"][-1]["sub_agent"]) == (
        odd,
    ) * 3


@both_kinds
async def test_an_altered_credential_is_refused(issuers, kind):
    value = (await issue(issuers, kind)).value
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for position in range(0, len(value), 7):
        if value[position] != ".":
            other = alphabet[(alphabet.index(value[position]) + 1) % 64]
            refused(issuers, value[:position] + other + value[position + 1 :])
    for cut in (value[:-1], value[1:], value + "A", value + "\n", " " + value):
        refused(issuers, cut)


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "tabard-intent+jwt", None])
async def test_other_jwts_of_the_zones_own_key_are_no_credentials(issuers, keyring, typ):
    key = keyring.active(SIGNING)
    signer = SigningKey(key.kid, "ES256", key.private_key)

    refused(issuers, signer.sign(EXPECTED, typ=typ))


@pytest.mark.parametrize(
    "change",
    [{name: None} for name in ("iss", "jti", "txn", "aud", "exp", "sub", "sub_iss", "tabard_tool", "tabard_call", "iat", "scope")]
    + [{"aud": [AUDIENCE]}, {"jti": 5}, {"exp": "x"}, {"iat": int(NOW) + 60}, {"tabard_call": {}}],
)  # fmt: skip
async def test_a_jwt_that_lacks_a_claim_is_no_credential(issuers, keyring, change):
    key = keyring.active(SIGNING)
    signer = SigningKey(key.kid, "ES256", key.private_key)
    claims = {name: value for name, value in (EXPECTED | change).items() if value is not None}
    header = {"alg": "ES256", "kid": key.kid, "typ": "tabard+jwt"}

    refused(issuers, raw_token(signer, header, claims))


async def test_algorithms_cannot_be_exchanged(issuers, keyring):
    value = (await issue(issuers, "jwt")).value
    _, claims, signature = value.split(".")
    kid = keyring.active(SIGNING).kid
    for name in ("none", "HS256", "EdDSA", "ES384"):
        header = encode_segment({"alg": name, "kid": kid, "typ": "tabard+jwt"})
        refused(issuers, f"{header}.{claims}.{signature}")
        refused(issuers, f"{header}.{claims}.")


async def test_a_macaroon_is_bound_to_its_audience(issuers, keyring, clock):
    """The key of one audience makes nothing for another one."""
    value = (await issue(issuers, "macaroon")).value
    claims = issuers.inspect(value).claims
    identifier = {"type": "credential", "version": 1, "kid": keyring.active(ROOT).kid, "claims": claims}
    exported = keyring.export("https://other.example.org")[0].secret

    refused(issuers, macaroon.mint(exported, json.dumps(identifier).encode()))
    own = keyring.export(AUDIENCE)[0].secret
    issuers.inspect(macaroon.mint(own, json.dumps(identifier).encode()))


@pytest.mark.parametrize(
    "change",
    [
        {"type": "grant"},
        {"type": None},
        {"version": 2},
        {"version": "1"},
        {"kid": "root-0000000000000000"},
        {"kid": None},
        {"claims": []},
        {"claims": {}},
        {"claims": EXPECTED | {"aud": [AUDIENCE]}},
        {"claims": EXPECTED | {"exp": "x"}},
        {"claims": {"aud": AUDIENCE}},
        {"more": 1},
    ],
)
async def test_macaroons_that_are_no_credentials(issuers, keyring, change):
    key = keyring.active(ROOT)
    identifier = {"type": "credential", "version": 1, "kid": key.kid, "claims": EXPECTED} | change
    secret = keyring.derive(key, f"credential:{AUDIENCE}")
    value = macaroon.mint(secret, json.dumps(identifier).encode())

    refused(issuers, value, "macaroon")


async def test_a_grant_is_no_credential(issuers, keyring):
    key = keyring.active(ROOT)
    identifier = {"type": "credential", "version": 1, "kid": key.kid, "claims": EXPECTED}

    refused(issuers, macaroon.mint(keyring.derive(key, "grant"), json.dumps(identifier).encode()))


def narrow(value, *caveats):
    return macaroon.append(value, [encode_caveat(caveat) for caveat in caveats])


async def test_a_macaroon_can_be_narrowed_by_its_holder(issuers, clock):
    value = (await issue(issuers, "macaroon")).value
    narrowed = narrow(
        value,
        Expiry(NOW + 10.5),
        Scopes(("orders:read", "x")),
        Audiences((AUDIENCE,)),
        Call(CALL),
        Expiry(NOW + 30),
    )

    found = issuers.inspect(narrowed)

    assert (found.expires_at, found.scopes) == (NOW + 10.5, ("orders:read",))
    response = introspection_response(found)
    assert (response["exp"], response["scope"]) == (int(NOW) + 10, "orders:read")
    clock.advance(10.5)
    refused(issuers, narrowed)
    issuers.inspect(value)


async def test_no_caveat_widens_a_macaroon(issuers):
    value = (await issue(issuers, "macaroon", scopes=("orders:read",))).value

    found = issuers.inspect(narrow(value, Expiry(NOW + 9999), Scopes(()), Scopes(("admin", "orders:read"))))

    assert (found.expires_at, found.scopes) == (NOW + 60, ())


@pytest.mark.parametrize("caveat", [Audiences(("https://x",)), Audiences(()), Call("b" * 64), Tools(("*",))])
async def test_caveats_that_are_not_met_or_not_for_credentials(issuers, caveat):
    refused(issuers, narrow((await issue(issuers, "macaroon")).value, caveat))


@pytest.mark.parametrize(
    "caveat", [b"", b"{}", b"time < 5", b'{"type":"new"}', b'{"type":"scopes","scopes":[],"x":1}']
)
async def test_unknown_caveats_are_refused(issuers, caveat):
    refused(issuers, macaroon.append((await issue(issuers, "macaroon")).value, [caveat]))


async def test_third_party_caveats_are_refused(issuers):
    value = macaroon.append_third_party((await issue(issuers, "macaroon")).value, "x", bytes(32), b"id")

    refused(issuers, value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    value=st.text(max_size=200) | st.binary(max_size=100).map(encode_segment),
    kind=st.sampled_from([*KINDS, None]),
)
def test_no_text_does_anything_but_be_refused(issuers, value, kind):
    refused(issuers, value, kind)


def test_an_inactive_credential_is_answered_with_nothing_else():
    assert introspection_response(None) == {"active": False}


@both_kinds
async def test_an_active_credential_is_answered_with_its_claims(issuers, kind):
    found = issuers.inspect((await issue(issuers, kind)).value)

    expected = EXPECTED | {"active": True, "token_type": f"tabard+{kind}", "client_id": PREFIX + "orders"}
    assert introspection_response(found) == expected


async def test_an_unknown_kind_is_a_reason_of_its_own(issuers):
    assert issuers.kinds == ("jwt", "macaroon")
    for kind in ("vault", "none", ""):
        with pytest.raises(Refused) as caught:
            issuers.get(kind)
        assert caught.value.code == "credential_kind_unavailable"


@both_kinds
async def test_no_secret_shows_in_logs_and_reprs(issuers, keyring, kind, caplog):
    caplog.set_level(logging.DEBUG)
    issued = await issue(issuers, kind)
    found = issuers.inspect(issued.value)

    shown = caplog.text + repr((issued, found, issuers, keyring))

    assert issued.value not in shown
    assert issued.value[-40:] not in shown
    assert base64.urlsafe_b64encode(keyring.active(ROOT).secret).decode()[:20] not in shown
