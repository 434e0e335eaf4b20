"""Tokens by which one zone hands a task to a workload of another: signed here, verified there, good for a minute and once.

A handover states what the grant of the first zone states, and every caveat of its chain. It carries no key and no grant, so
neither zone can do anything in the other's name.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from tabard.caveats import (
    CAVEATS,
    Arguments,
    Audiences,
    Budget,
    Caveat,
    CaveatError,
    Expiry,
    MaxChildren,
    MaxDepth,
    Purposes,
    ReadOnly,
    Scopes,
    Tools,
    encode_caveat,
)

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.identity import claims as checks
from tabard_sidecar.identity import jose
from tabard_sidecar.identity.intent import MAX_PURPOSE_BYTES, MAX_STATEMENT_BYTES
from tabard_sidecar.identity.jose import TokenError, TokenProblem
from tabard_sidecar.identity.sources import KeySource, KeysUnavailable
from tabard_sidecar.model import Handover, Intent, IntentSource, Subject
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tabard_sidecar.identity.jose import UnverifiedToken
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.keys import Key
    from tabard_sidecar.reasons import ReasonCode

HANDOVER_TYPE = "tabard-handover+jwt"
"""Media type of a handover, as its ``typ`` carries it."""
LIFETIME_SECONDS = 60
ALGORITHM = "ES256"
CARRIED = (
    Expiry, Tools, Arguments, Audiences, Scopes, Purposes, MaxDepth, MaxChildren, Budget, ReadOnly,
)  # fmt: skip
"""Types of caveats that a handover may hold. Others have no meaning in another zone."""
MAX_CAVEATS = 256
MAX_LABELS = 256
MAX_LABEL_BYTES = 128
_MAX_CLAIMS_BYTES = 8 * 1024
_ROOM = 256

_CODES: Mapping[TokenProblem, ReasonCode] = {
    TokenProblem.MALFORMED: "handover_invalid",
    TokenProblem.HEADER: "handover_invalid",
    TokenProblem.ALGORITHM: "handover_untrusted",
    TokenProblem.TYPE: "handover_invalid",
    TokenProblem.UNKNOWN_KEY: "handover_untrusted",
    TokenProblem.SIGNATURE: "handover_untrusted",
    TokenProblem.CLAIMS: "handover_invalid",
    TokenProblem.AUDIENCE: "handover_invalid",
    TokenProblem.EXPIRED: "handover_expired",
    TokenProblem.NOT_YET_VALID: "handover_invalid",
    TokenProblem.TOO_OLD: "handover_expired",
}


@dataclass(frozen=True, slots=True)
class TrustedZone:
    """A zone whose handovers are accepted.

    Attributes:
        zone: its name.
        issuer: ``iss`` of what it signs.
        keys: its public keys.
        subject_issuers: issuers of the people of whom it may speak.
        kept_claims: claims about people that are taken over from it.
    """

    zone: str
    issuer: str
    keys: KeySource
    subject_issuers: frozenset[str]
    kept_claims: tuple[str, ...]


class _From(NamedTuple):
    claims: Mapping[str, Any]
    zone: TrustedZone


def is_handover(token: str) -> bool:
    """Tell whether a token says that it is a handover; nothing about it is verified."""
    try:
        return jose.parse(token).type == HANDOVER_TYPE
    except TokenError:
        return False


def sign_handover(  # noqa: PLR0913 - one parameter per claim that the handover itself doesn't state
    key: Key, issuer: str, zone: str, holder: str, handover: Handover, *, now: float
) -> str:
    """Sign a handover.

    Args:
        key: a signing key of the zone, for ES256.
        issuer: ``iss`` of what the zone signs.
        zone: the zone that may accept it.
        holder: SPIFFE ID of the workload there that may.
        handover: what is handed over; its ``token_id``, ``expires_at`` and ``issued_at`` are set here.
        now: seconds since the epoch.

    Raises:
        Refused: it would be too large.
        NoDecision: the key isn't one for ES256.
    """
    if key.private_key is None or key.algorithm != ALGORITHM:
        raise NoDecision(
            "UNAVAILABLE",
            "keys_unavailable",
            f"a handover needs a signing key for {ALGORITHM}, and {key.kid} is for {key.algorithm or 'something else'}; "
            "run: tabard keys new --use signing",
        )
    claims = _claims(issuer, zone, holder, handover, now)
    header = jose.encode_header(key.private_key, key.kid, HANDOVER_TYPE)
    payload = json.dumps(claims).encode()
    too_many = len(handover.caveats) > MAX_CAVEATS or len(handover.labels) > MAX_LABELS
    if too_many or len(payload) * 4 // 3 + len(header) + _ROOM > jose.MAX_TOKEN_BYTES:
        raise Refused(
            "grant_too_large",
            "the task's caveats, labels and claims are too much for a handover to another zone",
        )
    return jose.sign(key.private_key, header, payload)


def _claims(issuer: str, zone: str, holder: str, handover: Handover, now: float) -> dict[str, Any]:
    subject, intent = handover.subject, handover.intent
    return {
        "iss": issuer,
        "aud": zone,
        "sub": subject.id,
        "sub_iss": subject.issuer,
        "sub_claims": dict(subject.claims),
        **({} if subject.authenticated_at is None else {"auth_time": subject.authenticated_at}),
        "purpose": intent.purpose,
        "statement": intent.statement,
        "intent_source": intent.source.value,
        "zone": handover.zone,
        "from": handover.holder,
        "holder": holder,
        "task": handover.task_id,
        "task_started_at": handover.task_started_at,
        "task_expires_at": handover.task_expires_at,
        "caveats": [encode_caveat(caveat).decode() for caveat in handover.caveats],
        "labels": list(handover.labels),
        "jti": secrets.token_urlsafe(16),
        "iat": int(now),
        "exp": int(now) + LIFETIME_SECONDS,
    }


class HandoverTokens:
    """Verifies handovers of the zones that are trusted.

    Args:
        zones: the trusted zones, each once.
        zone: this zone, which a handover has to name as its audience.
        clock: time in seconds since the epoch.
        skew_seconds: largest accepted difference from the other zones' clocks.
    """

    def __init__(self, zones: Iterable[TrustedZone], *, zone: str, clock: Clock, skew_seconds: float) -> None:
        self._zones = {each.issuer: each for each in zones}
        self._zone = zone
        self._clock = clock
        self._skew = skew_seconds

    @property
    def key_sources(self) -> Mapping[str, KeySource]:
        """Where the keys of each zone come from."""
        return {name: each.keys for name, each in self._zones.items()}

    async def start(self) -> None:
        """Read the zones' keys that are available.

        Raises:
            KeysUnavailable: a source can't work as configured, for example because a file is missing.
        """
        for each in self._zones.values():
            await each.keys.start()

    async def close(self) -> None:
        """Close the connections."""
        for each in self._zones.values():
            await each.keys.close()

    async def verify(self, token: str, holder: str) -> Handover:
        """Return what a token hands to a workload. The caller checks in the state store that it is used once.

        Raises:
            Refused: it isn't acceptable; the code says why.
            NoDecision: the zone's keys are unavailable.
        """
        try:
            unverified = jose.parse(token)
            zone = self._zones.get(str(unverified.claims.get("iss")))
            if zone is None:
                raise Refused(
                    "handover_untrusted", "the handover's iss isn't that of a zone of handover.accept"
                )
            if unverified.algorithm != ALGORITHM:
                raise TokenError(TokenProblem.ALGORITHM, f"the token's alg isn't {ALGORITHM}")
            jose.verify_signature(unverified, await zone.keys.find(unverified.key_id, ALGORITHM))
            return self._handover(unverified, zone, holder)
        except TokenError as error:
            raise Refused(_CODES[error.problem], error.message.replace("the token", "the handover")) from None
        except CaveatError as error:
            raise Refused("handover_invalid", f"claim caveats: {error}") from None
        except KeysUnavailable as error:
            raise NoDecision("UNAVAILABLE", "issuer_unavailable", str(error)) from None

    def _handover(self, token: UnverifiedToken, zone: TrustedZone, holder: str) -> Handover:
        claims = token.claims
        checks.check_type(token.type, {HANDOVER_TYPE})
        checks.single_audience(claims, {self._zone})
        expires_at = self._check_lifetime(claims)
        if checks.text(claims, "zone") != zone.zone:
            raise TokenError(TokenProblem.CLAIMS, f"claim zone isn't {zone.zone}, which has this iss")
        if checks.text(claims, "holder", max_bytes=2048) != holder:
            raise Refused("handover_invalid", f"the handover is for another workload than {holder}")
        return Handover(
            zone=zone.zone,
            holder=checks.text(claims, "from", max_bytes=2048),
            task_id=checks.text(claims, "task"),
            subject=_subject(_From(claims, zone)),
            intent=Intent(
                checks.text(claims, "purpose", max_bytes=MAX_PURPOSE_BYTES),
                _statement(claims.get("statement")),
                _source(claims.get("intent_source")),
            ),
            task_started_at=checks.required_moment(claims, "task_started_at"),
            task_expires_at=checks.required_moment(claims, "task_expires_at"),
            caveats=_caveats(claims.get("caveats")),
            labels=_labels(claims.get("labels")),
            token_id=hashlib.sha256(f"{zone.issuer}\n{checks.text(claims, 'jti')}".encode()).hexdigest(),
            # It is accepted until then, so its use has to be stored until then.
            expires_at=expires_at + self._skew,
            issued_at=checks.required_moment(claims, "iat"),
        )

    def _check_lifetime(self, claims: Mapping[str, Any]) -> float:
        expires_at = checks.check_period(claims, now=self._clock(), skew=self._skew)
        if expires_at - checks.required_moment(claims, "iat") > LIFETIME_SECONDS:
            raise TokenError(TokenProblem.CLAIMS, f"the token lives longer than {LIFETIME_SECONDS} s")
        return expires_at


def _subject(given: _From) -> Subject:
    claims, zone = given
    issuer = checks.text(claims, "sub_iss", max_bytes=512)
    if issuer not in zone.subject_issuers:
        raise Refused("handover_untrusted", f"zone {zone.zone} may not speak of people of this issuer")
    stated = claims.get("sub_claims")
    if not isinstance(stated, dict) or len(json.dumps(stated)) > _MAX_CLAIMS_BYTES:
        raise TokenError(
            TokenProblem.CLAIMS, f"claim sub_claims isn't an object of at most {_MAX_CLAIMS_BYTES} bytes"
        )
    return Subject(
        id=checks.text(claims, "sub"),
        issuer=issuer,
        claims={name: stated[name] for name in zone.kept_claims if name in stated},
        authenticated_at=checks.moment(claims, "auth_time"),
    )


def _statement(value: object) -> str:
    if not isinstance(value, str) or len(value.encode()) > MAX_STATEMENT_BYTES:
        raise TokenError(
            TokenProblem.CLAIMS, f"claim statement isn't text of at most {MAX_STATEMENT_BYTES} bytes"
        )
    return value


def _source(value: object) -> IntentSource:
    found = next((each for each in IntentSource if each.value == value), None)
    if found is None:
        raise TokenError(TokenProblem.CLAIMS, "claim intent_source is neither signed nor asserted")
    return found


def _caveats(value: object) -> tuple[Caveat, ...]:
    if (
        not isinstance(value, list)
        or len(value) > MAX_CAVEATS
        or not all(isinstance(one, str) for one in value)
    ):
        raise TokenError(TokenProblem.CLAIMS, f"claim caveats isn't a list of at most {MAX_CAVEATS} texts")
    found = tuple(CAVEATS.decode(one.encode()) for one in value)
    foreign = next((caveat for caveat in found if not isinstance(caveat, CARRIED)), None)
    if foreign is not None:
        raise CaveatError(f"a {foreign.tag} caveat has no meaning in another zone")
    return found


def _labels(value: object) -> Sequence[str]:
    if not isinstance(value, list) or len(value) > MAX_LABELS:
        raise TokenError(TokenProblem.CLAIMS, f"claim labels isn't a list of at most {MAX_LABELS} texts")
    for label in value:
        if not isinstance(label, str) or not label or len(label.encode()) > MAX_LABEL_BYTES:
            raise TokenError(TokenProblem.CLAIMS, f"a label isn't text of 1 to {MAX_LABEL_BYTES} bytes")
    return tuple(value)
