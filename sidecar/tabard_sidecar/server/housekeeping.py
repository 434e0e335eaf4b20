"""Forgets what has expired and returns free memory, every half minute."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.util.garbage import give_back

if TYPE_CHECKING:
    from tabard_sidecar.server.parts import Parts

_SECONDS = 30.0
# Expired rows are deleted in small steps, so that requests can run in between. Agents determine how many rows there are.
_EXPIRY_STEPS = 200
_EXPIRY_PAUSE_SECONDS = 0.05
_log = logging.getLogger(__name__)


async def housekeeping(parts: Parts) -> None:
    """Delete expired rows and closed files of the decision log until cancelled, nothing by a clock that jumped."""
    component = parts.health.component("housekeeping")
    component.ok()
    while True:
        await asyncio.sleep(_SECONDS)
        try:
            if parts.clock_watch.steady():
                await expire(parts)
        except NoDecision:
            pass  # health has it from the store
        except Exception:  # noqa: BLE001 - housekeeping must not stop silently, or the disk fills up
            _log.exception("housekeeping_failed")
            component.degraded("expired rows can't be deleted; the log has details")
        else:
            component.ok()
        await parts.log.tidy()
        await asyncio.to_thread(give_back)


async def expire(parts: Parts) -> None:
    """Delete what has expired, up to a bound."""
    for _ in range(_EXPIRY_STEPS):
        if not await parts.state.expire(now=parts.clock()):
            return
        await asyncio.sleep(_EXPIRY_PAUSE_SECONDS)
