"""Starts the components of a sidecar in the order in which they need one another."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack

from tabard_sidecar.server.early_parts import EarlyParts
from tabard_sidecar.server.housekeeping import housekeeping
from tabard_sidecar.server.lease_sweeps import sweep_leases
from tabard_sidecar.server.parts import Parts
from tabard_sidecar.server.readiness import Readiness

_ENDING_SECONDS = 5.0
"""How long a stop waits, after the drain, until credentials of revoked tasks are ended in other systems."""


async def build(early: EarlyParts, loading: asyncio.Task[None], stack: AsyncExitStack) -> Parts:
    """Build and start what is left; ``loading`` ends when the policy is loaded. ``stack`` stops them in turn."""
    parts = Parts(early)
    stack.callback(parts.tracing.close)
    parts.log.open()
    stack.push_async_callback(parts.log.stop)
    stack.push_async_callback(parts.arguments.close)
    parts.health.component("audit").ok()
    await parts.log.start()
    await parts.state.open()
    stack.push_async_callback(parts.state.close)
    stack.push_async_callback(parts.revoking.stop)
    await parts.revoking.start()
    stack.push_async_callback(parts.approving.close)
    await parts.approving.start()
    stack.push_async_callback(parts.identity.close)
    if parts.shadowing is not None:
        stack.push_async_callback(parts.shadowing.shadow.stop)
        parts.shadowing.shadow.start()
    if parts.exchanges is not None:
        stack.push_async_callback(parts.exchanges.close)
    if parts.vaults is not None:
        stack.push_async_callback(parts.vaults.close)
        parts.vaults.start()
    # What was acknowledged as ended is ended before the connections for that are closed.
    stack.push_async_callback(parts.revoking.finish, _ENDING_SECONDS)
    stack.push_async_callback(parts.stages.decisions.settled)
    await asyncio.gather(parts.identity.start(), loading, _first_keys(parts))
    return parts


async def upkeep(parts: Parts) -> list[Coroutine[None, None, None]]:
    """See whether everything is usable, and return what runs beside the serving until it is cancelled."""
    readiness = Readiness(parts)
    await readiness.look()
    following = [] if parts.control is None else [parts.control.follow()]
    return [housekeeping(parts), sweep_leases(parts), readiness.follow(), *following]


async def _first_keys(parts: Parts) -> None:
    """Ask the control service once, if there is one; health says why a sidecar without keys isn't ready."""
    if parts.control is not None:
        await parts.control.fetch()
