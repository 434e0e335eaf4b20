"""Runs blocking work in threads that can be given up, so that the loop never waits for a disk or a parser that hangs.

Work that was given up ends where it next calls :func:`tabard_sidecar.util.wanted.require_wanted`.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
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
        often: keep threads for further work, so that none is started for it. They end when nothing holds this object any
            more.
    """

    def __init__(self, name: str, *, places: int = 4, often: bool = False) -> None:
        self._name = name
        self._places = _Places(places, kept=often)
        self._most = places
        weakref.finalize(self, self._places.close).atexit = False

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
        places = self._places
        if not places.take():
            raise StuckError(f"{self._most} attempts at {self._name} hang; restart the sidecar")

        def leave() -> None:
            places.leave()
            ended()

        attempt = _Attempt(work, discard, leave)
        places.begin(attempt, f"tabard-{self._name}")
        try:
            await asyncio.wait({attempt.answer}, timeout=seconds)
        finally:
            # Cancels nothing if the answer is there.
            gave_up = attempt.answer.cancel()
        if gave_up:
            raise StuckError(f"{self._name} took longer than {seconds:g} s")
        return attempt.answer.result()


class _Places:
    """The threads: how many there may be, and which of them are idle. They hold this, and not the object that owns them.

    Args:
        most: most threads at once.
        kept: whether threads wait for further work.
    """

    def __init__(self, most: int, *, kept: bool) -> None:
        self._free = threading.BoundedSemaphore(most)
        self._most = most
        self._kept = kept
        self._idle = threading.Semaphore(0)
        self._further: SimpleQueue[_Attempt[Any] | None] = SimpleQueue()

    def take(self) -> bool:
        """Take a place, and tell whether there was one."""
        return self._free.acquire(blocking=False)

    def begin(self, attempt: _Attempt[Any], name: str) -> None:
        """Let a thread call the work of a place that was taken."""
        if self._idle.acquire(blocking=False):
            self._further.put(attempt)
        else:
            threading.Thread(target=self._work, args=(attempt,), name=name, daemon=True).start()

    def leave(self) -> None:
        """Note, in its thread, that work has ended: first that the thread is idle, so that the next work finds it."""
        if self._kept:
            self._idle.release()
        self._free.release()

    def close(self) -> None:
        """End every thread as soon as it is idle."""
        for _ in range(self._most):
            self._further.put(None)

    def _work(self, attempt: _Attempt[Any] | None) -> None:
        """Call the work, in its thread, and further work after it."""
        while attempt is not None:
            attempt.call()
            del attempt  # with what it holds
            if not self._kept:
                return
            attempt = self._further.get()


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
