"""Verifies people's access tokens (RFC 9068 and similar profiles)."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.identity import claims as checks
from tabard_sidecar.identity import jose
from tabard_sidecar.identity.actors import names_actor
from tabard_sidecar.identity.jose import TokenError, TokenProblem
from tabard_sidecar.identity.sources import KeySource, KeysUnavailable
from tabard_sidecar.model import Subject
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tabard_sidecar.identity.jose import UnverifiedToken
    from tabard_sidecar.interfaces import AgentIdentitySource, Clock
    from tabard_sidecar.reasons import ReasonCode

_CODES: Mapping[TokenProblem, ReasonCode] = {
    TokenProblem.MALFORMED: "subject_token_malformed",
    TokenProblem.HEADER: "subject_token_header",
    TokenProblem.ALGORITHM: "subject_token_algorithm",
    TokenProblem.TYPE: "subject_token_type",
    TokenProblem.UNKNOWN_KEY: "subject_token_unknown_key",
    TokenProblem.SIGNATURE: "subject_token_signature",
    TokenProblem.CLAIMS: "subject_token_claims",
    TokenProblem.AUDIENCE: "subject_token_audience",
    TokenProblem.EXPIRED: "subject_token_expired",
    TokenProblem.NOT_YET_VALID: "subject_token_not_yet_valid",
    TokenProblem.TOO_OLD: "subject_token_too_old",
}

# Claims that only ID tokens carry (OpenID Connect Core 1.0, sections 2 and 3.3.2.11; FAPI for s_hash).
_ID_TOKEN_CLAIMS = ("nonce", "at_hash", "c_hash", "s_hash")
# Claims that mark an access token if typ doesn't: from RFC 9068, and what large issuers use instead.
_ACCESS_TOKEN_CLAIMS = ("scope", "scp", "client_id", "cid")
_ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type
_OTHER_KINDS = frozenset({"refresh", "offline", "logout", "logout+jwt", "secevent+jwt"})


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer whose access tokens are accepted, with the terms of acceptance.

    ``types`` are in the normal form of :func:`tabard_sidecar.identity.media_types.normal_type`; the empty string accepts a
    token without ``typ``. Ages are seconds. ``keep_all`` keeps every claim that isn't registered, for issuers whose
    tokens the operator mints.
    """

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]
    types: frozenset[str]
    keys: KeySource
    subject_claim: str = "sub"
    required_claims: tuple[str, ...] = ()
    kept_claims: tuple[str, ...] = ()
    keep_all: bool = False
    max_token_age_seconds: float | None = None
    max_auth_age_seconds: float | None = None
    _generic: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_generic", self.types != {_ACCESS_TOKEN_TYPE})

    @property
    def generic_types(self) -> bool:
        """True if ``typ`` alone doesn't prove that a token is an access token."""
        return self._generic


class SubjectTokens:
    """Verifies access tokens of the configured issuers.

    Args:
        issuers: the issuers, each once.
        agent: this sidecar's workload, which ``may_act`` has to name if a token carries it.
        clock: time in seconds since the epoch.
        skew_seconds: largest accepted difference from the issuers' clocks.
        actors: by issuer, what returns the claims of this workload's tokens there, one of which ``may_act`` may name in
            place of the workload. They read files, and may raise :class:`~tabard_sidecar.errors.NoDecision`.

    Raises:
        ValueError: an issuer is listed twice.
    """

    def __init__(
        self,
        issuers: Iterable[Issuer],
        *,
        agent: AgentIdentitySource,
        clock: Clock,
        skew_seconds: float,
        actors: Mapping[str, Iterable[Callable[[], Mapping[str, Any]]]] | None = None,
    ) -> None:
        self._issuers: dict[str, Issuer] = {}
        for issuer in issuers:
            if issuer.issuer in self._issuers:
                raise ValueError(f"issuer {issuer.issuer} is listed twice")
            self._issuers[issuer.issuer] = issuer
        self._agent = agent
        self._clock = clock
        self._skew = skew_seconds
        self._actors = actors or {}

    @property
    def skew_seconds(self) -> float:
        """Largest accepted difference from the issuers' clocks."""
        return self._skew

    @property
    def issuers(self) -> frozenset[str]:
        """The issuers whose tokens are accepted."""
        return frozenset(self._issuers)

    @property
    def key_sources(self) -> Mapping[str, KeySource]:
        """Where the keys of each issuer come from."""
        return {name: issuer.keys for name, issuer in self._issuers.items()}

    async def start(self) -> None:
        """Read the issuers' keys that are available.

        Raises:
            KeysUnavailable: a source can't work as configured, for example because a file is missing.
        """
        for issuer in self._issuers.values():
            await issuer.keys.start()

    async def close(self) -> None:
        """Close the connections to the issuers."""
        for issuer in self._issuers.values():
            await issuer.keys.close()

    def for_audience(self, audience: str, *, max_auth_age_seconds: float) -> SubjectTokens:
        """Return a verifier of the same issuers' tokens for another audience and with a recent authentication.

        It uses this verifier's keys, so it must be neither started nor closed.

        Raises:
            ValueError: an issuer's tokens for agents also have that audience.
        """
        for issuer in self._issuers.values():
            if audience in issuer.audiences:
                raise ValueError(f"{issuer.issuer}: agents' tokens have the audience {audience}, too")
        audiences = frozenset({audience})
        issuers = [
            replace(issuer, audiences=audiences, max_auth_age_seconds=max_auth_age_seconds)
            for issuer in self._issuers.values()
        ]
        return SubjectTokens(issuers, agent=self._agent, clock=self._clock, skew_seconds=self._skew)

    async def verify(self, token: str) -> Subject:
        """Return the token's subject.

        Raises:
            Refused: the token isn't acceptable; the code says why.
            NoDecision: the issuer's keys, or this workload's identity, are unavailable.
        """
        return (await self.verify_claims(token))[0]

    async def verify_claims(self, token: str) -> tuple[Subject, Mapping[str, Any]]:
        """Return the token's subject and all its claims.

        Raises:
            Refused, NoDecision: as :meth:`verify`.
        """
        if not token:
            raise Refused("subject_token_missing", "no subject token was sent")
        try:
            unverified = jose.parse(token)
            issuer = self._issuer_of(unverified)
            await _verify_signature(unverified, issuer)
            subject = self._subject(unverified, issuer)
        except TokenError as error:
            raise Refused(_CODES[error.problem], error.message) from None
        except KeysUnavailable as error:
            raise NoDecision("UNAVAILABLE", "issuer_unavailable", str(error)) from None
        await self._check_may_act(unverified.claims, issuer)
        return subject, unverified.claims

    async def verify_issued(self, token: str, issuer: str) -> tuple[str, Mapping[str, Any]]:
        """Return person and claims of an access token that an issuer made for another audience, which isn't checked.

        Raises:
            Refused: it isn't a valid access token of ``issuer``.
            NoDecision: the issuer's keys are unavailable.
        """
        try:
            unverified = jose.parse(token)
            found = self._issuer_of(unverified)
            if found.issuer != issuer:
                raise Refused("subject_token_unknown_issuer", f"the token's iss isn't {issuer}")
            await _verify_signature(unverified, found)
            _check_kind(unverified, found)
            checks.check_period(unverified.claims, now=self._clock(), skew=self._skew)
            return checks.text(unverified.claims, found.subject_claim), unverified.claims
        except TokenError as error:
            raise Refused(_CODES[error.problem], error.message) from None
        except KeysUnavailable as error:
            raise NoDecision("UNAVAILABLE", "issuer_unavailable", str(error)) from None

    def _issuer_of(self, token: UnverifiedToken) -> Issuer:
        name = token.claims.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise Refused("subject_token_unknown_issuer", "the token's iss isn't one of identity.issuers")
        return issuer

    def _subject(self, token: UnverifiedToken, issuer: Issuer) -> Subject:
        claims, now = token.claims, self._clock()
        _check_kind(token, issuer)
        checks.single_audience(claims, issuer.audiences)
        expires_at = checks.check_period(claims, now=now, skew=self._skew)
        authenticated_at = self._check_age(claims, issuer, now)
        if "cnf" in claims:
            raise Refused(
                "subject_token_confirmation",
                "the token is bound to a key (cnf) whose proof isn't checked here",
            )
        for name in issuer.required_claims:
            if claims.get(name) in (None, "", [], {}):
                raise TokenError(TokenProblem.CLAIMS, f"claim {name}, which is required, is missing or empty")
        return Subject(
            id=checks.text(claims, issuer.subject_claim),
            issuer=issuer.issuer,
            claims=_kept(claims, issuer),
            authenticated_at=authenticated_at,
            token_id=_token_id(token, issuer),
            # The token is accepted until then, so its use has to be stored until then.
            expires_at=expires_at + self._skew,
            issued_at=checks.moment(claims, "iat") or 0.0,
        )

    def _check_age(self, claims: Mapping[str, Any], issuer: Issuer, now: float) -> float | None:
        if issuer.max_token_age_seconds is not None:
            age = now - checks.required_moment(claims, "iat")
            if age > issuer.max_token_age_seconds + self._skew:
                raise TokenError(TokenProblem.TOO_OLD, f"the token was issued {age:.0f} s ago")
        authenticated_at = checks.moment(claims, "auth_time")
        if issuer.max_auth_age_seconds is not None:
            age = now - checks.required_moment(claims, "auth_time")
            if age > issuer.max_auth_age_seconds + self._skew:
                raise TokenError(TokenProblem.TOO_OLD, f"the person authenticated {age:.0f} s ago")
        if authenticated_at is not None and authenticated_at > now + self._skew:
            raise TokenError(TokenProblem.NOT_YET_VALID, "the token's auth_time lies in the future")
        return authenticated_at

    def workload(self) -> Mapping[str, str]:
        """Return what identifies this workload where no actor token does: ``sub`` and ``iss``.

        Raises:
            NoDecision: its identity is unavailable.
        """
        agent = self._agent.current()
        return {"sub": agent.id, "iss": agent.issuer}

    async def _check_may_act(self, claims: Mapping[str, Any], issuer: Issuer) -> None:
        if "may_act" not in claims:
            return
        named, workload = claims["may_act"], self.workload()
        if names_actor(named, workload):
            return
        known = [await asyncio.to_thread(actor) for actor in self._actors.get(issuer.issuer, ())]
        if not any(names_actor(named, actor) for actor in known):
            also = "".join(f" or {str(actor.get('sub'))[:128]!a}" for actor in known)
            raise Refused(
                "subject_token_may_act", f"the token's may_act doesn't name {workload['sub']}{also}"
            )


async def _verify_signature(token: UnverifiedToken, issuer: Issuer) -> None:
    if token.algorithm not in issuer.algorithms:
        raise TokenError(
            TokenProblem.ALGORITHM, f"the token's alg isn't one of those configured for {issuer.issuer}"
        )
    jose.verify_signature(token, await issuer.keys.find(token.key_id, token.algorithm))


def _check_kind(token: UnverifiedToken, issuer: Issuer) -> None:
    claims = token.claims
    # Some issuers put the kind of token into a claim: Keycloak into typ, Cognito into token_use.
    kinds = {str(claims.get(name, "")).lower() for name in ("typ", "token_use")}
    if "id" in kinds or any(name in claims for name in _ID_TOKEN_CLAIMS):
        raise Refused("subject_token_id_token", "the token is an ID token")
    checks.check_type(token.type, issuer.types)
    if kinds & _OTHER_KINDS:
        raise TokenError(TokenProblem.TYPE, "the token is a refresh, logout or event token")
    if issuer.generic_types and token.type != _ACCESS_TOKEN_TYPE:
        marked = kinds & {"bearer", "access"} or any(name in claims for name in _ACCESS_TOKEN_CLAIMS)
        if not marked:
            raise Refused(
                "subject_token_id_token",
                f"nothing marks the token as an access token; it needs one of {', '.join(_ACCESS_TOKEN_CLAIMS)}",
            )


_REGISTERED = frozenset(
    {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "may_act", "client_id", "scope"}
)


def _kept(claims: Mapping[str, Any], issuer: Issuer) -> dict[str, Any]:
    if issuer.keep_all:
        return {name: value for name, value in claims.items() if name not in _REGISTERED}
    return {name: claims[name] for name in issuer.kept_claims if name in claims}


def _token_id(token: UnverifiedToken, issuer: Issuer) -> str:
    """Return an id that is unique across issuers and doesn't depend on how the signature is encoded."""
    jti = token.claims.get("jti")
    if not isinstance(jti, str) or not jti:
        return token.digest
    return hashlib.sha256(f"{issuer.issuer}\n{jti}".encode()).hexdigest()
