"""Revokes exchanged tokens (RFC 7009) when something that they depend on is revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.credentials.exchange.journal import source_of
from tabard_sidecar.credentials.noted import NotedLeases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tabard_sidecar.credentials.exchange.issuer import ExchangeIssuer
    from tabard_sidecar.credentials.exchange.server import ExchangeServer
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.state import Revocation


class NotRevokedError(Exception):
    """Some tokens could not be revoked; the message says how many, and why the first."""


class ExchangeEnding:
    """Revokes tokens that were given (:class:`~tabard_sidecar.revocation.LeaseHook`).

    The sidecar that obtained a token revokes it at once. The others give it half a second, and then open the token that the
    journal holds sealed. Tokens of an identity provider without a revocation endpoint end by themselves.

    Args:
        issuer: knows the tokens of this process, and the journal.
        clock: time in seconds since the epoch.
    """

    name = "exchange"

    def __init__(self, issuer: ExchangeIssuer, *, clock: Clock) -> None:
        self._issuer = issuer
        sources = revoking(issuer.servers)
        self._noted = NotedLeases(issuer.journal.leases, sources, clock=clock)

    def take(self, revocation: Revocation) -> None:
        """Let no token be given any more that a revocation ends. Called at once, before :meth:`revoked`."""
        if revocation.expires_at > 0:
            self._issuer.doom(revocation)
        else:
            self._issuer.live.lift(revocation)

    async def revoked(self, revocation: Revocation) -> None:
        """Revoke every token that depends on the revoked target; see :class:`~tabard_sidecar.revocation.LeaseHook`.

        Raises:
            NotRevokedError: some couldn't be revoked.
            NoDecision: the state store is unavailable.
        """
        problems = await self._issuer.end(revocation)
        async for leases in self._noted.unended(revocation):
            problems += await self._issuer.end_noted(leases)
        _check(problems)

    async def sweep(self) -> None:
        """Revoke what a revocation ends and is still noted: of a sidecar that was killed, or noted just after it.

        Raises:
            NotRevokedError: some couldn't be revoked.
            NoDecision: the state store is unavailable.
        """
        problems: list[str] = []
        async for leases in self._noted.left():
            problems += await self._issuer.end_noted(leases)
        _check(problems)


def revoking(servers: Mapping[str, ExchangeServer]) -> frozenset[str]:
    """Return the sources of those servers that revoke tokens."""
    return frozenset(
        source_of(name) for name, server in servers.items() if server.config.revocation_endpoint is not None
    )


def _check(problems: Sequence[str]) -> None:
    if problems:
        raise NotRevokedError(f"{len(problems)} token(s) not revoked: {problems[0]}")
