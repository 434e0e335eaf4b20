"""Lets what a process does again and again happen at the same moments: then it wakes less often for the same work.

Processes of one machine have one clock and phases of their own, so that they don't all wake together.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


async def ticks_until(
    look: Callable[[], bool], seconds: float, until: float, sooner: asyncio.Future[None] | None = None
) -> bool:
    """Call ``look`` in each round until it returns true, or until the loop's time ``until``. Tells which came first.

    A round without a task and a future of its own costs half as much, which counts in a process that waits. ``until`` is
    noticed by the first round after it.

    Args:
        look: looks.
        seconds: time between two rounds.
        until: the end, in the loop's time.
        sooner: ends the wait as a look that returns true does, as soon as it is done; it is never cancelled.

    Raises:
        Exception: what ``look`` raised.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()
    handle: asyncio.TimerHandle

    def again() -> None:
        nonlocal handle
        handle = loop.call_at(next_tick(loop.time(), seconds), look_again)

    def look_again() -> None:
        try:
            found = look()
        except Exception as error:  # noqa: BLE001 - for the one that waits
            if not done.done():
                done.set_exception(error)
            return
        if not found and loop.time() < until:
            again()
        elif not done.done():
            done.set_result(found)

    again()
    try:
        with _ended_by(sooner, done):
            return await done
    finally:
        handle.cancel()


@contextmanager
def _ended_by(sooner: asyncio.Future[None] | None, done: asyncio.Future[bool]) -> Iterator[None]:
    """Let ``done`` be true as soon as ``sooner`` is done, in a block."""
    if sooner is None:
        yield
        return

    def end(_: asyncio.Future[None]) -> None:
        if not done.done():
            done.set_result(True)

    sooner.add_done_callback(end)
    try:
        yield
    finally:
        sooner.remove_done_callback(end)
