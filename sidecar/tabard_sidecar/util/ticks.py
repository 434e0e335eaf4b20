"""Lets what a process does again and again happen at the same moments: then it wakes less often for the same work.

Processes of one machine have one clock and phases of their own, so that they don't all wake together.
"""

from __future__ import annotations

import asyncio
import math
import random

_PHASE = random.random()  # noqa: S311 - no secret


def next_tick(now: float, seconds: float) -> float:
    """Return the moment of the next round, 0.5 to 1.5 times ``seconds`` from ``now``.

    Args:
        now: the loop's time.
        seconds: time between two rounds. Rounds meet if one's time is a multiple of the other's.
    """
    when = (math.floor((now - _PHASE) / seconds) + 1) * seconds + _PHASE
    return when if when - now >= seconds / 2 else when + seconds


async def tick(seconds: float) -> None:
    """Wait for the next round."""
    now = asyncio.get_running_loop().time()
    await asyncio.sleep(next_tick(now, seconds) - now)
