"""Revokes exchanged tokens (RFC 7009) when something that they depend on is revoked."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tabard_sidecar.credentials.ending_rounds import Rounds
from tabard_sidecar.credentials.exchange.faults import ExchangeFault
from tabard_sidecar.credentials.exchange.journal import source_of
from tabard_sidecar.credentials.noted import NotedLeases
from tabard_sidecar.state.leases import EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tabard_sidecar.credentials.ending_rounds import Round
    from tabard_sidecar.credentials.exchange.issuer import ExchangeIssuer
    from tabard_sidecar.credentials.exchange.live import Exchange
    from tabard_sidecar.credentials.exchange.server import ExchangeServer
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.state import Revocation
    from tabard_sidecar.state.leases import Lease

_log = logging.getLogger(__name__)


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
        self._live = issuer.live
        self._journal = issuer.journal
        self._servers = {
            source_of(name): server
            for name, server in issuer.servers.items()
            if server.config.revocation_endpoint is not None
        }
        self._rounds = Rounds(self._servers)
        self._noted = NotedLeases(issuer.journal.leases, clock=clock)
        self._clock = clock

    def take(self, revocation: Revocation) -> None:
        """Let no token be given any more that a revocation ends. Called at once, before :meth:`revoked`."""
        if revocation.expires_at > 0:
            self._issuer.doom(revocation)
        else:
            self._live.lift(revocation)

    async def revoked(self, revocation: Revocation) -> None:
        """Revoke every token that depends on the revoked target; see :class:`~tabard_sidecar.revocation.LeaseHook`.

        Raises:
            NotRevokedError: some couldn't be revoked.
            NoDecision: the state store is unavailable.
        """
        own = self._live.tokens(revocation)

        async def at(source: str, now: Round) -> None:
            server = self._servers[source]
            await now.each(
                self._end, {each.kept.credential_id: each for each in own if each.server is server}
            )
            if now.over:
                return
            async for leases in self._noted.unended(revocation, source):
                await now.each(self._end_noted, self._of_others(leases))
                if now.over:
                    return

        _check(await self._rounds.run(at))

    def obstacle(self, lease: Lease) -> str | None:
        """Tell why this sidecar can't end a lease, or return the empty string; ``None`` for a source that it doesn't know."""
        if lease.source in self._servers:
            return ""
        name = lease.source.removeprefix(EXCHANGE)
        if name == lease.source or name not in self._issuer.servers:
            return None
        return f"this one has no exchange.{name}.revocation_endpoint"

    async def sweep(self) -> None:
        """Revoke what a revocation ends and is still noted: of a sidecar that was killed, or noted just after it.

        Raises:
            NotRevokedError: some couldn't be revoked.
            NoDecision: the state store is unavailable.
        """
        _check(await self._rounds.run(self._sweep))

    async def _sweep(self, source: str, now: Round) -> None:
        async for leases in self._noted.left(source):
            others = self._of_others(leases)
            own = {lease.lease_id: self._live.get(lease.lease_id) for lease in leases}
            await now.each(
                self._end, {name: one for name, one in own.items() if one is not None and one.issued}
            )
            await now.each(self._end_noted, others)
            if now.over:
                return

    def _of_others(self, leases: Iterable[Lease]) -> dict[str, Lease]:
        """Return the leases that this process doesn't know, by their ids."""
        return {lease.lease_id: lease for lease in leases if self._live.get(lease.lease_id) is None}

    async def _end(self, exchange: Exchange) -> str:
        """Revoke a token of this process; return why it couldn't be, or the empty string.

        Raises:
            NoDecision: the state store is unavailable.
        """
        if not exchange.revoked and exchange.ends_at > self._clock():
            problem = await _revoked(exchange.server, exchange.token)
            if problem:
                return problem
            await self._ended(exchange.token)
        await self._forget(exchange)
        return ""

    async def _ended(self, token: str) -> None:
        """Let a revoked token not be given any more to calls that got the same one."""
        same = self._live.of_token(token)
        for one in same:
            one.revoked = True
        if any(one.doomed is None for one in same):
            self._issuer.held.drop(lambda one: one.revoked)
        for one in same:
            await self._forget(one)

    async def _forget(self, exchange: Exchange) -> None:
        exchange.revoked = True
        if exchange.noted:
            await self._journal.leases.end_lease(exchange.kept.credential_id)
            exchange.noted = False
        self._live.end(exchange)

    async def _end_noted(self, lease: Lease) -> str:
        """Revoke a token of another process; return why it couldn't be, or the empty string.

        Raises:
            NoDecision: the state store is unavailable.
        """
        if lease.expires_at > self._clock() and (problem := await self._revoked_noted(lease)):
            return problem
        await self._journal.leases.end_lease(lease.lease_id)
        return ""

    async def _revoked_noted(self, lease: Lease) -> str:
        server = self._servers[lease.source]
        if lease.source_id != server.source_id:
            return (
                f"exchange.{server.name}: another server issued the token: the section has another subject_issuer, "
                "revocation_endpoint or client_id on another sidecar, or had before; only with the same ones is it revoked"
            )
        token = self._journal.open(lease)
        if token is None:
            _log.warning("noted_token_unreadable", extra={"credential_id": lease.lease_id})
            return f"exchange.{server.name}: what the state store has of the token can't be opened: its key is gone, or it was changed"
        problem = await _revoked(server, token)
        if not problem:
            await self._ended(token)
        return problem


async def _revoked(server: ExchangeServer, token: str) -> str:
    """Revoke a token; return why it isn't certain that it ended, or the empty string."""
    try:
        await server.revoke(token)
    except ExchangeFault as fault:
        return f"exchange.{server.name}: {fault.message}"
    return ""


def _check(problem: str) -> None:
    if problem:
        raise NotRevokedError(problem)
