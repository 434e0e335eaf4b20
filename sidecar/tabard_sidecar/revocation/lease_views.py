"""Shows operators what other systems issued for calls of the zone, and what of it is being ended."""

from __future__ import annotations

from collections.abc import Sequence

from tabard_sidecar.interfaces import Clock
from tabard_sidecar.state.leases import ANY_LEASE, Lease, LeaseFilter, LeaseJournal
from tabard_sidecar.util.lean import dataclass

_MOST_ENDING = 1_000


@dataclass(frozen=True, slots=True)
class ShownLease:
    """A lease. ``ending`` tells that something which ends it was revoked."""

    lease: Lease
    ending: bool


class LeaseViews:
    """Shows the zone's leases.

    Args:
        journal: the state store.
        clock: time in seconds since the epoch.
    """

    def __init__(self, journal: LeaseJournal, *, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    async def leases(
        self, *, limit: int, wanted: LeaseFilter = ANY_LEASE, after: str = ""
    ) -> tuple[Sequence[ShownLease], str]:
        """Return leases that haven't expired, by credential, and where the list goes on; empty at its end.

        Raises:
            NoDecision: the state store is unavailable.
        """
        now = self._clock()
        page = await self._journal.leases(now=now, wanted=wanted, after=after, limit=limit)
        ending = await self._ending(now) if page.leases else frozenset()
        return [ShownLease(lease, lease.lease_id in ending) for lease in page.leases], page.after

    async def _ending(self, now: float) -> frozenset[str]:
        found: set[str] = set()
        after = ""
        while len(found) < _MOST_ENDING:
            page = await self._journal.revoked_leases(now=now, after=after)
            found |= {lease.lease_id for lease in page.leases}
            after = page.after
            if not after:
                break
        return frozenset(found)
