"""Verifies signed intents: a task's purpose, signed by a front end that the zone trusts. See docs/reference/intent.md."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from typing import TYPE_CHECKING, Any

from tabard.caveats import CaveatError, Limits, limits_from_json, limits_json

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.identity import claims as checks
from tabard_sidecar.identity import jose
from tabard_sidecar.identity.jose import TokenError, TokenProblem
from tabard_sidecar.identity.sources import KeySource, KeysUnavailable
from tabard_sidecar.model import Intent, IntentSource, Subject
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tabard_sidecar.identity.jose import UnverifiedToken
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.keys.jwk import PrivateKey
    from tabard_sidecar.reasons import ReasonCode

INTENT_TYPE = "tabard-intent+jwt"
"""Media type of a signed intent, as its ``typ`` carries it."""
MAX_LIFETIME_SECONDS = 300.0
MAX_PURPOSE_BYTES = 256
MAX_STATEMENT_BYTES = 4096

_CODES: Mapping[TokenProblem, ReasonCode] = {
    TokenProblem.MALFORMED: "intent_malformed",
    TokenProblem.HEADER: "intent_malformed",
    TokenProblem.ALGORITHM: "intent_untrusted",
    TokenProblem.TYPE: "intent_invalid",
    TokenProblem.UNKNOWN_KEY: "intent_untrusted",
    TokenProblem.SIGNATURE: "intent_signature",
    TokenProblem.CLAIMS: "intent_invalid",
    TokenProblem.AUDIENCE: "intent_invalid",
    TokenProblem.EXPIRED: "intent_expired",
    TokenProblem.NOT_YET_VALID: "intent_invalid",
    TokenProblem.TOO_OLD: "intent_expired",
}


@dataclass(frozen=True, slots=True)
class Initiator:
    """A front end whose signed intents are accepted."""

    issuer: str
    algorithms: frozenset[str]
    keys: KeySource


class IntentTokens:
    """Verifies signed intents of the configured initiators.

    Args:
        initiators: the initiators, each once.
        zone: this zone, which an intent has to name as its audience.
        clock: time in seconds since the epoch.
        skew_seconds: largest accepted difference from the initiators' clocks.

    Raises:
        ValueError: an initiator is listed twice.
    """

    def __init__(
        self, initiators: Iterable[Initiator], *, zone: str, clock: Clock, skew_seconds: float
    ) -> None:
        self._initiators: dict[str, Initiator] = {}
        for initiator in initiators:
            if initiator.issuer in self._initiators:
                raise ValueError(f"initiator {initiator.issuer} is listed twice")
            self._initiators[initiator.issuer] = initiator
        self._zone = zone
        self._clock = clock
        self._skew = skew_seconds

    @property
    def key_sources(self) -> Mapping[str, KeySource]:
        """Where the keys of each initiator come from."""
        return {name: initiator.keys for name, initiator in self._initiators.items()}

    async def start(self) -> None:
        """Read the initiators' keys that are available.

        Raises:
            KeysUnavailable: a source can't work as configured, for example because a file is missing.
        """
        for initiator in self._initiators.values():
            await initiator.keys.start()

    async def close(self) -> None:
        """Close the connections to the initiators."""
        for initiator in self._initiators.values():
            await initiator.keys.close()

    async def verify(self, token: str, subject: Subject) -> Intent:
        """Return the signed intent of ``subject``. The caller checks in the state store that it is used once.

        Raises:
            Refused: the intent isn't acceptable; the code says why.
            NoDecision: the initiator's keys are unavailable.
        """
        try:
            unverified = jose.parse(token)
            initiator = self._initiators.get(str(unverified.claims.get("iss")))
            if initiator is None:
                raise Refused("intent_untrusted", "the intent's iss isn't one of identity.initiators")
            if unverified.algorithm not in initiator.algorithms:
                raise TokenError(
                    TokenProblem.ALGORITHM, f"the intent's alg isn't configured for {initiator.issuer}"
                )
            key = await initiator.keys.find(unverified.key_id, unverified.algorithm)
            jose.verify_signature(unverified, key)
            return self._intent(unverified, subject)
        except TokenError as error:
            raise Refused(_CODES[error.problem], error.message.replace("the token", "the intent")) from None
        except CaveatError as error:
            raise Refused("intent_invalid", f"claim limits: {error}") from None
        except KeysUnavailable as error:
            raise NoDecision("UNAVAILABLE", "issuer_unavailable", str(error)) from None

    def _intent(self, token: UnverifiedToken, subject: Subject) -> Intent:
        claims = token.claims
        checks.check_type(token.type, {INTENT_TYPE})
        checks.single_audience(claims, {self._zone})
        expires_at = self._check_lifetime(token)
        if (checks.text(claims, "sub"), checks.text(claims, "sub_iss")) != (subject.id, subject.issuer):
            raise Refused(
                "intent_subject_mismatch", "the intent was signed for a person other than the subject"
            )
        return Intent(
            purpose=checks.text(claims, "purpose", max_bytes=MAX_PURPOSE_BYTES),
            statement=_statement(claims.get("statement")),
            source=IntentSource.SIGNED,
            limits=limits_from_json(claims["limits"]) if "limits" in claims else None,
            token_id=_token_id(str(claims["iss"]), checks.text(claims, "jti")),
            # The intent is accepted until then, so its use has to be stored until then.
            expires_at=expires_at + self._skew,
            issued_at=checks.moment(claims, "iat") or expires_at - MAX_LIFETIME_SECONDS,
        )

    def _check_lifetime(self, token: UnverifiedToken) -> float:
        now = self._clock()
        expires_at = checks.check_period(token.claims, now=now, skew=self._skew)
        issued_at = checks.moment(token.claims, "iat")
        too_long = issued_at is not None and expires_at - issued_at > MAX_LIFETIME_SECONDS
        if too_long or expires_at - now > MAX_LIFETIME_SECONDS + self._skew:
            raise TokenError(TokenProblem.CLAIMS, f"the token lives longer than {MAX_LIFETIME_SECONDS:.0f} s")
        return expires_at


def sign_intent(  # noqa: PLR0913 - one parameter per claim
    private_key: PrivateKey,
    *,
    issuer: str,
    zone: str,
    subject_id: str,
    subject_issuer: str,
    purpose: str,
    statement: str,
    limits: Limits | None = None,
    key_id: str = "",
    nonce: str = "",
    now: float | None = None,
    lifetime_seconds: float = 60.0,
) -> str:
    """Sign an intent as a front end does.

    Args:
        private_key: the initiator's key, EC P-256 (ES256) or Ed25519 (EdDSA).
        issuer: the initiator, as ``identity.initiators`` names it.
        zone: the zone that is to run the task.
        subject_id: the person, as their access token's subject.
        subject_issuer: issuer of that access token.
        purpose: a short machine-readable word, at most 256 bytes.
        statement: the person's request in their own words, at most 4 KiB.
        limits: narrow the task below what policy offers.
        key_id: ``kid`` of the key, if the initiator's key set needs it.
        nonce: ``jti``; a random one if not given. It works once.
        now: time of signing in seconds since the epoch; the current time if not given.
        lifetime_seconds: at most 300.
    """
    issued_at = int(time.time() if now is None else now)
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": zone,
        "sub": subject_id,
        "sub_iss": subject_issuer,
        "purpose": purpose,
        "statement": statement,
        "jti": nonce or secrets.token_urlsafe(16),
        "iat": issued_at,
        "exp": issued_at + int(lifetime_seconds),
    }
    if limits is not None:
        claims["limits"] = limits_json(limits)
    header = jose.encode_header(private_key, key_id, INTENT_TYPE)
    return jose.sign(private_key, header, json.dumps(claims).encode())


def _statement(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TokenError(TokenProblem.CLAIMS, "claim statement must be a string that isn't empty")
    if len(value.encode()) > MAX_STATEMENT_BYTES:
        raise TokenError(TokenProblem.CLAIMS, f"claim statement is longer than {MAX_STATEMENT_BYTES} bytes")
    return value


def _token_id(issuer: str, nonce: str) -> str:
    """Return an id that is unique across initiators, because two of them may choose the same nonce."""
    return hashlib.sha256(f"{issuer}\n{nonce}".encode()).hexdigest()
