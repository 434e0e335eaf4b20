"""Lets work that was begun end, although the caller is cancelled meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")


async def whole(work: Coroutine[Any, Any, _T]) -> _T:
    """Return what ``work`` returns, or raise what it raises; a cancellation is raised once the work has ended.

    It costs a task, so a call that only a store decides about goes without (:mod:`tabard_sidecar.pipeline.recorder`).
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # was meant for a caller that has gone
        raise
