"""Handovers between zones: what is signed is what is verified, and everything else is refused with a reason."""

from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tabard.caveats import Budget, Expiry, MaxDepth, Tools, encode_caveat
from tabard.verify import Rejected, Verifier
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.identity.handover import (
    HANDOVER_TYPE,
    HandoverTokens,
    TrustedZone,
    is_handover,
    sign_handover,
)
from tabard_sidecar.identity.keyset import parse
from tabard_sidecar.identity.sources import FileKeys, StaticKeys
from tabard_sidecar.keys.model import SIGNING, Key
from tabard_sidecar.model import Handover, Intent, IntentSource, Subject

from tests.support.tokens import NOW, FakeClock, SigningKey, raw_token

KEY = SigningKey.make("signing-1")
HERE, HOLDER = "billing", "spiffe://shop.example/ns/billing/sa/biller"
ISSUER = "urn:tabard:zone:support"
LOGIN = "https://login.example.org"
SKEW = 30
CAVEATS = (Expiry(NOW + 500.0), Tools(("tickets.*",)), MaxDepth(2), Budget("cents", 0))
GIVEN = Handover(
    zone="support",
    holder="spiffe://shop.example/ns/support/sa/orchestrator",
    task_id="task-1",
    subject=Subject("alice", LOGIN, {"groups": ["support"], "level": 3}, authenticated_at=NOW - 50),
    intent=Intent("refunds", "Work off the refunds.", IntentSource.SIGNED),
    task_started_at=NOW - 100,
    task_expires_at=NOW + 500,
    caveats=CAVEATS,
    labels=("untrusted", "reported:x"),
)


def signing(key: SigningKey = KEY) -> Key:
    return Key(key.kid, SIGNING, 0.0, None, private_key=key.private, algorithm=key.algorithm)


def signed(
    given: Handover = GIVEN,
    *,
    key: SigningKey = KEY,
    zone: str = HERE,
    holder: str = HOLDER,
    now: float = NOW,
) -> str:
    return sign_handover(signing(key), ISSUER, zone, holder, given, now=now)


def verifier(**changes) -> HandoverTokens:
    keys = StaticKeys(parse(json.dumps({"keys": [KEY.jwk()]}).encode()))
    trusted = {
        "zone": "support",
        "issuer": ISSUER,
        "keys": keys,
        "subject_issuers": frozenset({LOGIN}),
        "kept_claims": ("groups",),
    }
    clock = changes.pop("clock", FakeClock())
    return HandoverTokens([TrustedZone(**trusted | changes)], zone=HERE, clock=clock, skew_seconds=SKEW)


def claims_of(**changes) -> dict:
    """Claims of an acceptable handover; ``None`` removes one."""
    claims = {
        "iss": ISSUER,
        "aud": HERE,
        "sub": "alice",
        "sub_iss": LOGIN,
        "sub_claims": {},
        "purpose": "refunds",
        "statement": "",
        "intent_source": "asserted",
        "zone": "support",
        "from": GIVEN.holder,
        "holder": HOLDER,
        "task": "task-1",
        "task_started_at": NOW - 100,
        "task_expires_at": NOW + 500,
        "caveats": [encode_caveat(caveat).decode() for caveat in CAVEATS],
        "labels": [],
        "jti": "once",
        "iat": int(NOW),
        "exp": int(NOW) + 60,
    } | changes
    return {name: value for name, value in claims.items() if value is not None}


def token_of(header: dict | None = None, **changes) -> str:
    return raw_token(
        KEY, {"alg": "ES256", "kid": KEY.kid, "typ": HANDOVER_TYPE} | (header or {}), claims_of(**changes)
    )


async def refusal(token: str, holder: str = HOLDER, **changes) -> str:
    with pytest.raises(Refused) as caught:
        await verifier(**changes).verify(token, holder)
    assert not [part for part in token.split(".") if len(part) > 16 and part in str(caught.value)]
    return caught.value.code


async def test_what_is_signed_is_what_is_verified():
    found = await verifier().verify(signed(), HOLDER)
    assert (found.zone, found.holder, found.task_id) == ("support", GIVEN.holder, "task-1")
    assert (found.subject.id, found.subject.issuer, found.subject.authenticated_at) == (
        "alice",
        LOGIN,
        NOW - 50,
    )
    assert found.subject.claims == {"groups": ["support"]}  # level isn't taken over
    assert found.intent == GIVEN.intent
    assert (found.caveats, found.labels) == (CAVEATS, ("untrusted", "reported:x"))
    assert (found.task_started_at, found.task_expires_at) == (NOW - 100, NOW + 500)
    assert found.expires_at == int(NOW) + 60 + SKEW
    again = await verifier().verify(signed(), HOLDER)
    assert again.token_id != found.token_id
    assert is_handover(signed())


REFUSED = [
    ({"iss": "urn:tabard:zone:other"}, "handover_untrusted"),
    ({"iss": None}, "handover_untrusted"),
    ({"aud": "other"}, "handover_invalid"),
    ({"aud": [HERE, "other"]}, "handover_invalid"),
    ({"zone": "other"}, "handover_invalid"),
    ({"holder": "spiffe://shop.example/ns/billing/sa/other"}, "handover_invalid"),
    ({"holder": None}, "handover_invalid"),
    ({"from": None}, "handover_invalid"),
    ({"sub": ""}, "handover_invalid"),
    ({"sub": "a\nb"}, "handover_invalid"),
    ({"sub_iss": "https://elsewhere"}, "handover_untrusted"),
    ({"sub_claims": None}, "handover_invalid"),
    ({"sub_claims": {"x": "y" * 9000}}, "handover_invalid"),
    ({"purpose": None}, "handover_invalid"),
    ({"statement": None}, "handover_invalid"),
    ({"statement": "x" * 5000}, "handover_invalid"),
    ({"intent_source": "said"}, "handover_invalid"),
    ({"intent_source": None}, "handover_invalid"),
    ({"task": None}, "handover_invalid"),
    ({"task_started_at": None}, "handover_invalid"),
    ({"task_started_at": "now"}, "handover_invalid"),
    ({"task_expires_at": None}, "handover_invalid"),
    ({"jti": None}, "handover_invalid"),
    ({"iat": None}, "handover_invalid"),
    ({"exp": None}, "handover_invalid"),
    ({"exp": int(NOW) + 61}, "handover_invalid"),
    ({"iat": int(NOW) - 200, "exp": int(NOW) - 140}, "handover_expired"),
    ({"iat": int(NOW) + 100, "exp": int(NOW) + 160}, "handover_invalid"),
    ({"caveats": None}, "handover_invalid"),
    ({"caveats": [1]}, "handover_invalid"),
    ({"caveats": ["{}"]}, "handover_invalid"),
    ({"caveats": ['{"type":"tools"}']}, "handover_invalid"),
    ({"caveats": ['{"type": "read_only"}']}, "handover_invalid"),  # not canonical
    ({"caveats": ['{"type":"unknown"}']}, "handover_invalid"),
    ({"caveats": ['{"type":"read_only"}'] * 300}, "handover_invalid"),
    ({"labels": None}, "handover_invalid"),
    ({"labels": [""]}, "handover_invalid"),
    ({"labels": ["x" * 200]}, "handover_invalid"),
    ({"labels": [1]}, "handover_invalid"),
    ({"labels": ["x"] * 300}, "handover_invalid"),
]


@pytest.mark.parametrize(("changes", "code"), REFUSED)
async def test_what_is_wrong_in_a_handover_is_refused(changes, code):
    assert await refusal(token_of(**changes)) == code


@pytest.mark.parametrize("tag", ["hop", "branch", "call", "uses"])
async def test_a_caveat_without_meaning_here_is_refused(tag):
    texts = {
        "hop": {"holder": HOLDER, "seal": "A" * 43},
        "branch": {"name": "x", "nonce": "A" * 22},
        "call": {"digest": "0" * 64},
        "uses": {"uses": 1},
    }
    text = json.dumps({"type": tag} | texts[tag], separators=(",", ":"), sort_keys=True)
    assert await refusal(token_of(caveats=[text])) == "handover_invalid"


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", "handover_invalid"),
        ("a.b.c", "handover_invalid"),
        ("x" * 20_000, "handover_invalid"),
        (token_of({"typ": "tabard+jwt"}), "handover_invalid"),
        (token_of({"typ": "at+jwt"}), "handover_invalid"),
        (token_of({"typ": None}), "handover_invalid"),
        (token_of({"kid": "other"}), "handover_untrusted"),
        (token_of({"alg": "ES384"}), "handover_untrusted"),
        (token_of({"alg": "none"}), "handover_untrusted"),
        (token_of({"alg": "HS256"}), "handover_untrusted"),
        (token_of({"crit": ["x"]}), "handover_invalid"),
        (token_of()[:-8] + "AAAAAAAA", "handover_untrusted"),
        (signed(key=SigningKey.make("signing-1")), "handover_untrusted"),
    ],
)
async def test_what_is_no_handover_of_the_zone_is_refused(token, code):
    assert await refusal(token) == code


@given(age=st.floats(min_value=-200, max_value=400))
@settings(deadline=None)
async def test_it_lives_a_minute_and_what_clocks_may_differ(age):
    """A handover is made for 60 s; before and after that only the accepted difference of clocks counts."""
    token = signed(now=NOW)
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["exp"] - claims["iat"] == 60
    clock = FakeClock(NOW + age)
    # Exactly at the limits rounding decides.
    assume(abs(age - (60 + SKEW)) > 1e-3 and abs(age + SKEW) > 1e-3)
    if -SKEW < age < 60 + SKEW:
        found = await verifier(clock=clock).verify(token, HOLDER)
        # Its use is remembered as long as it would be accepted.
        assert found.expires_at >= NOW + 60 + SKEW
    else:
        with pytest.raises(Refused) as caught:
            await verifier(clock=clock).verify(token, HOLDER)
        assert caught.value.code == ("handover_expired" if age > 0 else "handover_invalid")


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES384", "ES512", "RS256", "PS256"])
async def test_a_good_signature_of_another_algorithm_is_refused(algorithm):
    """Also if the zone publishes the key for it."""
    other = SigningKey.make("other", algorithm)
    keys = StaticKeys(parse(json.dumps({"keys": [KEY.jwk(), other.jwk()]}).encode()))
    token = other.sign(claims_of(), typ=HANDOVER_TYPE)
    assert await refusal(token, keys=keys) == "handover_untrusted"
    # Nor under the name of the right one.
    claimed = raw_token(other, {"alg": "ES256", "kid": other.kid, "typ": HANDOVER_TYPE}, claims_of())
    assert await refusal(claimed, keys=keys) == "handover_untrusted"


async def test_an_issuers_own_name_decides_which_zone_it_may_speak_for():
    """A trusted zone can't hand over in the name of another one."""
    assert await refusal(token_of(zone="support"), zone="partner") == "handover_invalid"


async def test_keys_that_cant_be_read_make_no_decision(tmp_path):
    with pytest.raises(NoDecision) as caught:
        await verifier(keys=FileKeys(tmp_path / "nothing")).verify(signed(), HOLDER)
    assert caught.value.code == "issuer_unavailable"


@pytest.mark.parametrize(
    "more",
    [
        {"caveats": CAVEATS * 100},
        {"labels": ("x",) * 300},
        {"subject": Subject("a", LOGIN, {"x": "y" * 16_000})},
    ],
)
def test_what_is_too_much_is_refused_when_it_is_signed(more):
    from dataclasses import replace  # noqa: PLC0415

    with pytest.raises(Refused) as caught:
        signed(replace(GIVEN, **more))
    assert caught.value.code == "grant_too_large"


def test_another_algorithm_signs_none():
    with pytest.raises(NoDecision, match="needs a signing key for ES256"):
        signed(key=SigningKey.make("k", "EdDSA"))


def test_a_backend_takes_no_handover_for_a_credential(tmp_path):
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": [KEY.jwk()]}))
    verifying = Verifier(HERE, issuer=ISSUER, jwks=keys)
    with pytest.raises(Rejected):
        verifying.authenticate(signed(now=time.time()))


@given(st.text(max_size=300))
def test_any_text_is_no_handover(text):
    assert not is_handover(text)
