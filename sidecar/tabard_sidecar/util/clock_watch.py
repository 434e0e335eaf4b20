"""Watches the clock for jumps, so that nothing is forgotten by a time that is taken back a minute later."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

STEADY_SECONDS = 600.0
"""How long the clock has to run without a jump before anything is forgotten by it, also after a start."""
_JUMP_SECONDS = 10.0
# Linux's monotonic clock stops while the machine sleeps; CLOCK_BOOTTIME doesn't.
_UPTIME: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_log = logging.getLogger(__name__)


def uptime() -> float:
    """Return monotonic seconds that include the time while the machine sleeps."""
    return time.clock_gettime(_UPTIME)


class ClockWatch:
    """Compares the clock with the time that passes.

    Decisions go by the clock as it is: one that is ahead only denies. What was deleted by it doesn't come back, and then
    a used token is new again and a revoked workload isn't revoked any more.

    Args:
        clock: time in seconds since the epoch.
        uptime: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float], uptime: Callable[[], float] = uptime) -> None:
        self._clock = clock
        self._uptime = uptime
        self._steady_since = uptime()
        self._offset = clock() - self._steady_since
        self._jump = 0.0

    def look(self) -> None:
        """Notice a jump since the last look. A clock that is set in small steps, or runs fast, makes none."""
        now = self._uptime()
        offset = self._clock() - now
        jump, self._offset = offset - self._offset, offset
        if abs(jump) > _JUMP_SECONDS:
            self._steady_since, self._jump = now, jump
            _log.warning("clock jumped", extra={"seconds": round(jump, 1)})

    def steady(self) -> bool:
        """Tell whether what has expired may be forgotten."""
        self.look()
        return self._uptime() - self._steady_since >= STEADY_SECONDS

    @property
    def problem(self) -> str:
        """What is wrong with the clock, for health; empty if it has been steady, or since the start."""
        since = self._uptime() - self._steady_since
        if not self._jump or since >= STEADY_SECONDS:
            return ""
        way = "ahead" if self._jump > 0 else "back"
        return (
            f"the clock was set {way} by {abs(self._jump):.0f} s, {since:.0f} s ago; until it has been steady for "
            f"{STEADY_SECONDS:.0f} s nothing that expires is deleted; check how the machine's time is set"
        )
