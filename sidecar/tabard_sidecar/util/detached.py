"""Runs blocking work in threads that can be given up, so that the loop never waits for a disk or a parser that hangs.

Work that was given up ends where it next calls :func:`tabard_sidecar.util.wanted.require_wanted`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from tabard_sidecar.util.wanted import work_while

_T = TypeVar("_T")


class StuckError(Exception):
    """Work didn't end in time, or so much earlier work hangs that none is begun."""


class Detached:
    """Runs work in daemon threads, which don't keep the process from ending.

    Args:
        name: what the work is, for messages and the threads' names.
        places: most threads at once, those that were given up included.
        often: keep threads for further work, so that none is started for it.
    """

    def __init__(self, name: str, *, places: int = 4, often: bool = False) -> None:
        self._name = name
        self._places = threading.BoundedSemaphore(places)
        self._most = places
        self._often = often
        self._idle = threading.Semaphore(0)
        self._further: SimpleQueue[_Attempt[Any]] = SimpleQueue()

    async def run(
        self,
        work: Callable[[], _T],
        seconds: float,
        discard: Callable[[_T], None] = lambda _: None,
        ended: Callable[[], None] = lambda: None,
    ) -> _T:
        """Return what ``work`` returns, or raise what it raises.

        Args:
            work: called in a thread that does nothing else meanwhile.
            seconds: longest wait.
            discard: called with a result that came too late.
            ended: called in the thread when the work has ended and its place is free, also if it was given up.

        Raises:
            StuckError: it takes longer, or every place is taken.
        """
        if not self._places.acquire(blocking=False):
            raise StuckError(f"{self._most} attempts at {self._name} hang; restart the sidecar")

        def leave() -> None:
            self._leave()
            ended()

        attempt = _Attempt(work, discard, leave)
        if self._idle.acquire(blocking=False):
            self._further.put(attempt)
        else:
            name = f"tabard-{self._name}"
            threading.Thread(target=self._work, args=(attempt,), name=name, daemon=True).start()
        try:
            await asyncio.wait({attempt.answer}, timeout=seconds)
        finally:
            # Cancels nothing if the answer is there.
            gave_up = attempt.answer.cancel()
        if gave_up:
            raise StuckError(f"{self._name} took longer than {seconds:g} s")
        return attempt.answer.result()

    def _work(self, attempt: _Attempt[Any]) -> None:
        """Call the work, in its thread, and further work after it."""
        attempt.call()
        while self._often:
            del attempt  # with what it holds
            attempt = self._further.get()
            attempt.call()

    def _leave(self) -> None:
        """Note, in its thread, that work has ended: first that the thread is idle, so that the next work finds it."""
        if self._often:
            self._idle.release()
        self._places.release()


class _Attempt(Generic[_T]):
    """One call of the work, in its thread, and the answer on the loop."""

    def __init__(
        self, work: Callable[[], _T], discard: Callable[[_T], None], leave: Callable[[], None]
    ) -> None:
        self._work = work
        self._discard = discard
        self._leave = leave
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[_T] = self._loop.create_future()

    def call(self) -> None:
        """Work, in the thread."""
        work_while(lambda: not self.answer.cancelled())
        try:
            result = self._work()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._leave()
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._fail, error)
            return
        self._leave()
        try:
            self._loop.call_soon_threadsafe(self._settle, result)
        except RuntimeError:  # the loop is closed
            self._discard(result)

    def _settle(self, result: _T) -> None:
        if self.answer.cancelled():
            self._discard(result)
        else:
            self.answer.set_result(result)

    def _fail(self, error: BaseException) -> None:
        if not self.answer.cancelled():
            self.answer.set_exception(error)
