"""Runs what a context manager starts until something asks it to stop, also while it is still starting."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, suppress


async def until_stopped(running: AbstractAsyncContextManager[object], stop: asyncio.Event) -> None:
    """Enter ``running``, wait for ``stop``, leave it; if it is asked to stop before it has started, it is cancelled.

    Raises:
        Exception: what ``running`` raises.
    """
    started = asyncio.Event()

    async def serve() -> None:
        async with running:
            started.set()
            await stop.wait()

    serving = asyncio.create_task(serve())
    asked = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not started.is_set():
            # Done already if it has failed: then this does nothing.
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
            return
        await serving
    finally:
        asked.cancel()
