"""Finds in the zone's journal what other systems issued and a revocation ends, whichever sidecar obtained it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tabard_sidecar.state import RevocationKind
from tabard_sidecar.state.leases import LeaseTarget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.state import Revocation
    from tabard_sidecar.state.leases import Lease, LeaseJournal, LeasePage

OWNER_SECONDS = 0.5
"""How long others leave a credential to the sidecar that obtained it."""
_SWEEP_AFTER_SECONDS = 5.0
# How wrong a clock may be, so that what is taken for expired is ended all the same.
_CLOCK_SECONDS = 900.0
_DATED = {RevocationKind.SUBJECT, RevocationKind.STATE}


class NotedLeases:
    """Reads the journal page by page. Every method raises ``NoDecision`` if the state store is unavailable.

    Args:
        journal: knows the credentials of the zone.
        clock: time in seconds since the epoch.
    """

    def __init__(self, journal: LeaseJournal, *, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    async def unended(self, revocation: Revocation, source: str) -> AsyncIterator[Sequence[Lease]]:
        """Yield what a revocation ends of a source and is still noted once the sidecars that obtained it had their time."""
        if await self._any(revocation, source):
            await asyncio.sleep(OWNER_SECONDS)
            async for leases in self._concerned(revocation, source):
                yield leases

    async def _any(self, revocation: Revocation, source: str) -> bool:
        async for leases in self._concerned(revocation, source):
            if leases:
                return True
        return False

    async def _concerned(self, revocation: Revocation, source: str) -> AsyncIterator[Sequence[Lease]]:
        """Yield the noted leases of a source that a revocation ends."""
        now = self._clock() - _CLOCK_SECONDS
        if revocation.kind is RevocationKind.STATE:
            pages = self._revoked(now)
        else:
            target = LeaseTarget(revocation.kind, revocation.target)
            pages = _pages(lambda after: self._journal.leases_of(target, now=now, after=after))
        async for page in pages:
            yield [
                lease
                for lease in page
                if lease.source == source
                and (revocation.kind not in _DATED or lease.task_started_at <= revocation.at)
            ]

    async def left(self, source: str) -> AsyncIterator[Sequence[Lease]]:
        """Yield what of a source is revoked, has been noted for some seconds, and hasn't expired."""
        async for page in self._revoked(self._clock()):
            yield [
                lease
                for lease in page
                if lease.source == source and lease.created_at <= self._clock() - _SWEEP_AFTER_SECONDS
            ]

    def _revoked(self, now: float) -> AsyncIterator[Sequence[Lease]]:
        return _pages(lambda after: self._journal.revoked_leases(now=now, after=after))


async def _pages(read: Callable[[str], Awaitable[LeasePage]]) -> AsyncIterator[Sequence[Lease]]:
    """Yield every page of a list."""
    after = ""
    while True:
        page = await read(after)
        yield page.leases
        after = page.after
        if not after:
            return
