"""Decides whether what an identity provider issued may be given to the agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tabard_sidecar.credentials.exchange.faults import ExchangeFault, invalid, unavailable
from tabard_sidecar.credentials.exchange.narrowing import (
    NARROWING,
    Asked,
    check_claims,
    check_scopes,
    scopes_in,
)
from tabard_sidecar.credentials.exchange.replies import check_life, exchanged
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.identity import jose
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.credentials.exchange.acting import Actor
    from tabard_sidecar.credentials.exchange.conf import ExchangeAudienceConfig, ExchangeConfig
    from tabard_sidecar.identity.subject import SubjectTokens
    from tabard_sidecar.model import CredentialRequest


@dataclass(frozen=True, slots=True)
class Terms:
    """What a token has to be.

    Attributes:
        issuer: who signs it.
        person: whose it is.
        audiences: names of the one backend.
        scopes: the scopes that were asked for.
        subject: claims of the person's token.
        opaque: it isn't a JWT.
        most_seconds: its longest life.
        client: the sidecar's client at the identity provider.
        extra: claims that it may have though the person's token doesn't.
    """

    issuer: str
    person: str
    audiences: frozenset[str]
    scopes: frozenset[str]
    subject: Mapping[str, Any]
    opaque: bool
    most_seconds: float
    client: str
    extra: frozenset[str]

    @classmethod
    def of(
        cls,
        request: CredentialRequest,
        server: ExchangeConfig,
        audience: ExchangeAudienceConfig,
        subject_token: str,
        *,
        now: float,
    ) -> Terms:
        """Return the terms of a request. The person's token was verified when the task was started.

        Raises:
            Refused: the token has expired, or what narrows it doesn't allow the request.
        """
        subject = jose.parse(subject_token).claims
        if subject.get("exp", 0) <= now:
            raise Refused("subject_token_expired", "the token that started the task has expired")
        scopes = frozenset(request.scopes)
        # Scopes of this backend in the person's token say which of them the person has.
        had = _scopes_had(subject) & frozenset(audience.scopes)
        if had and not scopes <= had:
            wider = min(scopes - had)
            raise Refused(
                "exchange_denied", f"the person's token has other scopes of this audience, and not {wider}"
            )
        if server.opaque and any(subject.get(name) is not None for name in NARROWING):
            raise Refused(
                "exchange_denied",
                "claims narrow the person's token, and it can't be checked that an opaque token keeps them",
            )
        return cls(
            issuer=request.grant.subject.issuer,
            person=request.grant.subject.id,
            audiences=frozenset(filter(None, (request.audience, audience.resource))),
            scopes=scopes,
            subject=subject,
            opaque=server.opaque,
            most_seconds=audience.max_ttl_seconds,
            client=server.client_id,
            extra=frozenset(audience.extra_claims),
        )


def _scopes_had(subject: Mapping[str, Any]) -> frozenset[str]:
    try:
        return scopes_in(subject) or frozenset()
    except ExchangeFault:
        raise Refused("exchange_denied", "the scope of the person's token isn't a list of scopes") from None


class IssuedTokens:
    """Verifies issued tokens with the keys of their issuers.

    Args:
        subjects: verifies tokens of the issuers of people.
    """

    def __init__(self, subjects: SubjectTokens) -> None:
        self._subjects = subjects

    async def accepted(
        self, reply: Mapping[str, Any], terms: Terms, actor: Actor | None, *, now: float
    ) -> tuple[str, float]:
        """Return the token of a reply, and until when it holds in seconds since the epoch.

        Raises:
            ExchangeFault: it isn't what was asked for, allows more, or can't be verified.
        """
        found = exchanged(reply, most_seconds=terms.most_seconds)
        if terms.opaque or found.scopes is not None:
            check_scopes(found.scopes, terms.scopes, "its reply")
        if terms.opaque:
            if found.seconds is None:
                raise invalid("its reply doesn't say how long the token lasts (expires_in)")
            return found.token, now + found.seconds
        claims = await self._verified(found.token, terms)
        check_claims(
            claims, Asked(terms.audiences, terms.scopes, terms.subject, actor, terms.client, terms.extra)
        )
        expires_at = float(claims["exp"])
        check_life(expires_at - now, terms.most_seconds + self._subjects.skew_seconds)
        return found.token, expires_at if found.seconds is None else min(expires_at, now + found.seconds)

    async def _verified(self, token: str, terms: Terms) -> Mapping[str, Any]:
        try:
            person, claims = await self._subjects.verify_issued(token, terms.issuer)
        except Refused as refused:
            raise invalid(f"its token isn't acceptable: {refused.message}") from None
        except NoDecision as error:
            raise unavailable(f"its token can't be verified: {error.message}") from None
        if person != terms.person:
            raise invalid("its token is another person's than was asked for")
        return claims
