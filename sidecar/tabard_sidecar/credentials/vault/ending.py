"""Ends credentials in their vaults when something that they depend on is revoked, whichever sidecar obtained them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tabard_sidecar.credentials.noted import NotedLeases
from tabard_sidecar.credentials.vault.faults import FORBIDDEN, VaultFault
from tabard_sidecar.credentials.vault.tokens import NEWBORN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence
    from typing import Any

    from tabard_sidecar.credentials.vault.issuer import VaultIssuer
    from tabard_sidecar.credentials.vault.live import LiveCredential
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.state import Revocation
    from tabard_sidecar.state.leases import Lease, LeaseJournal

_log = logging.getLogger(__name__)


class NotEndedError(Exception):
    """Some credentials could not be ended; the message says how many and why."""


class LeaseEnding:
    """Ends credentials that a revocation concerns (:class:`~tabard_sidecar.revocation.LeaseHook`).

    The sidecar that obtained a credential ends it at once, with its own token, which it has in memory: the journal may have
    lost it. The others give it half a second; what is noted after that they end by its accessor, if an identity for that is
    configured (``reaper``).

    Args:
        issuer: knows the credentials of this process and the vaults.
        journal: knows those of the zone.
        clock: time in seconds since the epoch.
    """

    name = "vault"

    def __init__(self, issuer: VaultIssuer, journal: LeaseJournal, *, clock: Clock) -> None:
        self._issuer = issuer
        self._journal = journal
        self._noted = NotedLeases(journal, issuer.servers, clock=clock)
        self._clock = clock

    def take(self, revocation: Revocation) -> None:
        """Let no credential be given any more that a revocation ends. Called at once, before :meth:`revoked`."""
        if revocation.expires_at > 0:
            self._issuer.doom(revocation)

    async def revoked(self, revocation: Revocation) -> None:
        """End everything that depends on the revoked target; see :class:`~tabard_sidecar.revocation.LeaseHook`.

        Raises:
            NotEndedError: something couldn't be ended.
            NoDecision: the state store is unavailable.
        """
        problems = await self._end_own(revocation)
        async for leases in self._noted.unended(revocation):
            problems += await self._end_noted(leases)
        _check(problems)

    async def sweep(self) -> None:
        """End what is revoked and still noted: of a sidecar that was killed, or noted just after the revocation.

        Raises:
            NotEndedError: something couldn't be ended.
            NoDecision: the state store is unavailable.
        """
        problems: list[str] = []
        async for leases in self._noted.left():
            problems += await self._end_own_leases(leases)
            problems += await self._end_noted(leases)
        _check(problems)

    async def _end_own(self, revocation: Revocation) -> list[str]:
        """End what this process obtained; return what failed."""
        return await self._each(
            (live.vault, self._end_live(live)) for live in self._issuer.live.ended_by(revocation)
        )

    async def _end_own_leases(self, leases: Iterable[Lease]) -> list[str]:
        found = (self._issuer.live.get(lease.lease_id) for lease in leases)
        return await self._each((live.vault, self._end_live(live)) for live in found if live is not None)

    async def _end_noted(self, leases: Iterable[Lease]) -> list[str]:
        """End leases that this process doesn't know; return what failed."""
        return await self._each(
            (lease.source, self._end_lease(lease))
            for lease in leases
            if self._issuer.live.get(lease.lease_id) is None
        )

    async def _each(self, works: Iterable[tuple[str, Coroutine[Any, Any, None]]]) -> list[str]:
        """Do work at vaults, at each as much at once as it has places for, so that revocations take turns there.

        Raises:
            NoDecision: the state store is unavailable.
        """
        places: dict[str, asyncio.Semaphore] = {}
        problems: list[str] = []

        async def one(vault: str, work: Coroutine[Any, Any, None]) -> None:
            server = self._issuer.servers[vault]
            async with places.setdefault(vault, asyncio.Semaphore(server.ending_places)):
                try:
                    await work
                except VaultFault as fault:
                    problems.append(f"vault.{vault}: {fault.message}")

        done = await asyncio.gather(*(one(vault, work) for vault, work in works), return_exceptions=True)
        for failed in done:
            if isinstance(failed, BaseException):
                raise failed
        return problems

    async def _end_live(self, live: LiveCredential) -> None:
        """End a credential of this process by its own token.

        Raises:
            VaultFault: the vault can't be reached, or refuses.
            NoDecision: the state store is unavailable.
        """
        if live.token is None or live.issued is None:
            # It is being obtained, and is withdrawn then. A vault that makes a login for a token that ends meanwhile may
            # keep the login.
            return
        if not live.ended:
            try:
                await self._issuer.servers[live.vault].revoke(
                    live.token, live.source_id, extended=live.extended
                )
            except VaultFault as fault:
                # A token that ended by itself is refused.
                if fault.status != FORBIDDEN or live.ends_at > self._clock():
                    raise
            live.ended = True
        if live.journaled:
            await self._journal.end_lease(live.request.credential_id)
        if live.given:
            self._issuer.live.forget(live.request.credential_id)
        # Otherwise what gives or withdraws it learns that it was issued, and has ended.

    async def _end_lease(self, lease: Lease) -> None:
        """End a lease of another process by its accessor, if an identity for that is configured.

        Raises:
            VaultFault: the vault can't be reached, refuses, or isn't the one that made the token.
            NoDecision: the state store is unavailable.
        """
        if lease.expires_at - lease.created_at <= NEWBORN_SECONDS:
            # Another sidecar obtains it right now, or was killed meanwhile; then it ends by itself.
            return
        server = self._issuer.servers[lease.source]
        if await server.revoke_accessor(lease.accessor, lease.source_id):
            await self._journal.end_lease(lease.lease_id)
        elif lease.expires_at > self._clock():
            _log.warning(
                "lease_of_another_sidecar",
                extra={"credential_id": lease.lease_id, "next": f"configure vault.{lease.source}.reaper"},
            )


def _check(problems: Sequence[str]) -> None:
    if problems:
        raise NotEndedError(f"{len(problems)} credential(s) not ended: {problems[0]}")
