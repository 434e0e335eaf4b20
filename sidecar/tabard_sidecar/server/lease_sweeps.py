"""Ends what other systems issued and a revocation ends, if its sidecar didn't, every half minute."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.revocation.unended import UnendedLeases, section_of

if TYPE_CHECKING:
    from tabard_sidecar.server.parts import Parts
    from tabard_sidecar.state.leases import Lease

_SECONDS = 30.0
_log = logging.getLogger(__name__)


async def sweep_leases(parts: Parts) -> None:
    """Sweep until cancelled. Health tells what can't be ended. Nothing else waits for a server that hangs."""
    unended = UnendedLeases(parts.state, lambda lease: _obstacle(parts, lease))
    while True:
        await asyncio.sleep(_SECONDS)
        try:
            await _swept(parts, unended)
        except NoDecision:
            pass  # health has it from the store
        except Exception:  # noqa: BLE001 - sweeps must not stop silently
            _log.exception("lease_sweep_failed")
            parts.health.component("leases").degraded("revoked leases can't be swept; the log has details")


async def _swept(parts: Parts, unended: UnendedLeases) -> None:
    swept = await asyncio.gather(*(ending.sweep() for ending in parts.endings), return_exceptions=True)
    problems = [str(error) for error in swept if isinstance(error, Exception)]
    for error in swept:
        if isinstance(error, NoDecision):
            raise error
    problems += await unended.problems(now=parts.clock())
    component = parts.health.component("leases")
    if problems:
        component.degraded("; ".join(problems))
    else:
        component.ok()


def _obstacle(parts: Parts, lease: Lease) -> str:
    """Tell why this sidecar can't end a lease, or return the empty string."""
    for ending in parts.endings:
        told = ending.obstacle(lease)
        if told is not None:
            return told
    return f"this one has no section {section_of(lease.source)}"
