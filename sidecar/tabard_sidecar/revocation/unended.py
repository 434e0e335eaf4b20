"""Finds credentials that no sidecar can end: revoked, and of a vault that the configuration doesn't name."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection

from tabard_sidecar.state.leases import EXCHANGE, LeaseJournal

_AFTER_SECONDS = 5.0
_log = logging.getLogger(__name__)


async def unknown_sources(journal: LeaseJournal, configured: Collection[str], *, now: float) -> list[str]:
    """Return a message for each vault that isn't configured here and has revoked credentials that still last.

    A sidecar with that vault ends its credentials within seconds, so none did.

    Raises:
        NoDecision: the state store is unavailable.
    """
    found: Counter[str] = Counter()
    after = ""
    while True:
        page = await journal.revoked_leases(now=now, after=after)
        found.update(
            lease.source
            for lease in page.leases
            if lease.source not in configured and lease.created_at <= now - _AFTER_SECONDS
        )
        after = page.after
        if not after:
            break
    for source, number in sorted(found.items()):
        _log.warning("leases_of_an_unknown_vault", extra={"vault": source, "leases": number})
    return [
        f"{number} revoked credential(s) of {_section(source)} last until they expire: no sidecar ended them, and this one "
        f"has no section {_section(source)}"
        for source, number in sorted(found.items())
    ]


def _section(source: str) -> str:
    """Return the section of the configuration that a source is from."""
    return f"exchange.{source.removeprefix(EXCHANGE)}" if source.startswith(EXCHANGE) else f"vault.{source}"
