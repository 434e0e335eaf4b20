"""Finds credentials that this sidecar can't end, and no other one ended: revoked, and still in the journal."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

from tabard_sidecar.state.leases import EXCHANGE, Lease, LeaseJournal

_AFTER_SECONDS = 5.0
_log = logging.getLogger(__name__)


class UnendedLeases:
    """Tells of what is there twice in a row. A sidecar that can end a credential needs seconds for it, so none did.

    Args:
        journal: the state store.
        obstacle: tells why this sidecar can't end a lease, or returns the empty string.
    """

    def __init__(self, journal: LeaseJournal, obstacle: Callable[[Lease], str]) -> None:
        self._journal = journal
        self._obstacle = obstacle
        self._before: frozenset[str] = frozenset()

    async def problems(self, *, now: float) -> list[str]:
        """Return a message for each source and obstacle.

        Raises:
            NoDecision: the state store is unavailable.
        """
        found: Counter[tuple[str, str]] = Counter()
        seen: set[str] = set()
        after = ""
        while True:
            page = await self._journal.revoked_leases(now=now, after=after)
            for lease in page.leases:
                why = self._obstacle(lease) if lease.created_at <= now - _AFTER_SECONDS else ""
                if why:
                    seen.add(lease.lease_id)
                    found[lease.source, why] += lease.lease_id in self._before
            after = page.after
            if not after:
                break
        self._before = frozenset(seen)
        told = sorted((source, why, number) for (source, why), number in found.items() if number)
        for source, why, number in told:
            _log.warning(
                "leases_that_nothing_ends", extra={"source": source, "leases": number, "problem": why}
            )
        return [
            f"{number} revoked credential(s) of {section_of(source)} last until they expire: no sidecar ended them, and {why}"
            for source, why, number in told
        ]


def section_of(source: str) -> str:
    """Return the section of the configuration that a source is from."""
    return f"exchange.{source.removeprefix(EXCHANGE)}" if source.startswith(EXCHANGE) else f"vault.{source}"
