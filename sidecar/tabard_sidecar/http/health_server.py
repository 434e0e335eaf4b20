"""Serves health with all details in a thread of its own, so that no queue of the event loop keeps a probe from its answer.

A probe's answer then waits for the interpreter only, of which every thread gets its share after a millisecond. Health stays
honest: while the event loop, which answers all requests, is held up, the answer is 503 and says so.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from time import monotonic

from tabard_sidecar.health import Health, Report, Snapshot, State, Status
from tabard_sidecar.http.server import HttpServer, Page
from tabard_sidecar.util.ticks import next_tick

STUCK_SECONDS = 2.0
"""How late a beat of the event loop may be until health says so.

Beats are a second apart, so that the loop has been held up for two to three seconds: the usual wait of ``tabard health``.
"""
_BEAT_SECONDS = 1.0


class HealthServer:
    """Listens on ``listen.health``.

    Args:
        pages: makes the pages from what returns the current health.
        address: ``unix:/path``.
        health: the sidecar's health.
        most: most connections at once.
    """

    def __init__(
        self,
        pages: Callable[[Callable[[], Snapshot]], Mapping[str, Callable[[], Page]]],
        address: str,
        health: Health,
        *,
        most: int,
    ) -> None:
        self._health = health
        self._server = HttpServer(pages(self._snapshot), address, most=most)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._beaten = self._due = monotonic()
        self._beating: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Start listening, and watch the event loop that calls this.

        Raises:
            BindError: the address is in use or isn't this machine's.
        """
        self._server.listen()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tabard-health", daemon=True)
        self._thread.start()
        self._beat()
        await _there(self._loop, self._server.start())

    async def stop(self) -> None:
        """Stop listening and end the thread."""
        if self._beating is not None:
            self._beating.cancel()
        if self._loop is None:
            return
        await _there(self._loop, self._server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        self._beaten = loop.time()
        self._due = next_tick(self._beaten, _BEAT_SECONDS)
        self._beating = loop.call_at(self._due, self._beat)

    def _snapshot(self) -> Snapshot:
        """Return the health. Called in the thread: the reports of a moment are copied in one step of the interpreter."""
        # The loop's time is monotonic().
        snapshot, now = self._health.snapshot(), monotonic()
        if now - self._due < STUCK_SECONDS:
            return snapshot
        silent = now - self._beaten
        reason = f"the event loop has been held up for {silent:.0f} s, so no request is answered"
        report = Report(State.FAILED, reason, required=True)
        return replace(
            snapshot, status=Status.STUCK, ready=False, components={**snapshot.components, "loop": report}
        )


async def _there(loop: asyncio.AbstractEventLoop, work: Coroutine[None, None, None]) -> None:
    """Do work in another thread's loop, and wait for it."""
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))
