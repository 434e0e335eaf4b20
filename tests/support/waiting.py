"""Waits until a condition holds: for what other tasks, threads and processes do."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_SECONDS = 90.0
"""How long a test waits at most. Machines are slow at times; a condition that holds is noticed at once."""

_PAUSE_SECONDS = 0.005


async def eventually(condition: Callable[[], Any], seconds: float = DEADLINE_SECONDS) -> Any:
    """Return the first true value of a condition, a function or a coroutine function.

    Raises:
        TimeoutError: the condition didn't hold in time.
    """
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"the condition didn't hold within {seconds} s")
        await asyncio.sleep(_PAUSE_SECONDS)


async def next_second() -> None:
    """Wait until tokens that are signed from now on, in whole seconds, are of a later second than what happened before."""
    began = int(time.time())
    await eventually(lambda: int(time.time()) > began)


def eventually_blocking(condition: Callable[[], Any], seconds: float = DEADLINE_SECONDS) -> Any:
    """Return the first true value of a condition, for tests without an event loop.

    Raises:
        TimeoutError: the condition didn't hold in time.
    """
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"the condition didn't hold within {seconds} s")
        time.sleep(_PAUSE_SECONDS)
    return value
