"""Ends requests that take longer than they may, with one timer for all of them.

``asyncio.timeout`` makes a timer for each request, which takes longer than to note when the request has to end.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadlines:
    """Requests that run, each with the same longest time. Belongs to one event loop.

    Args:
        seconds: the longest time of a request.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        # The longest-running first, since all have the same time.
        self._running: dict[Deadline, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def deadline(self) -> Deadline:
        """Return a context in which the current task may stay for the time; then the task is cancelled in it.

        The context turns that cancellation into :class:`TimeoutError`, and no other one.
        """
        return Deadline(self)

    def begin(self, deadline: Deadline, loop: asyncio.AbstractEventLoop) -> None:
        """Note that a request begins."""
        self._running[deadline] = None
        if self._timer is None:
            self._timer = loop.call_at(deadline.ends_at, self._end_late, loop)

    def end(self, deadline: Deadline) -> None:
        """Note that a request has ended."""
        self._running.pop(deadline, None)

    def _end_late(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        while self._running:
            first = next(iter(self._running))
            if first.ends_at > now:
                self._timer = loop.call_at(first.ends_at, self._end_late, loop)
                return
            del self._running[first]
            first.expire()


class Deadline:
    """The deadline of one request; see :meth:`Deadlines.deadline`."""

    __slots__ = ("_all", "_cancelling", "_expired", "_task", "ends_at")

    def __init__(self, every: Deadlines) -> None:
        self._all = every
        self._expired = False
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self.ends_at = 0.0

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._task = task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("only a task has a deadline")
        self._cancelling = task.cancelling()
        self.ends_at = loop.time() + self._all.seconds
        self._all.begin(self, loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._all.end(self)
        if not self._expired or self._task is None:
            return
        others = self._task.uncancel() > self._cancelling
        if kind is asyncio.CancelledError and not others:
            raise TimeoutError from error

    def expire(self) -> None:
        """Cancel the task, because its time is over."""
        self._expired = True
        if self._task is not None:
            self._task.cancel()
