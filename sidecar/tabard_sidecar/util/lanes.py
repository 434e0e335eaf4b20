"""Runs requests to a server in a bounded number of threads, so that the loop never waits for one."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from tabard_sidecar.util.bounded_http import until
from tabard_sidecar.util.detached import Detached, StuckError
from tabard_sidecar.util.wanted import GivenUpError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tabard_sidecar.util.bounded_http import Faults

_T = TypeVar("_T")
# The thread itself ends in time, and says best what took it so long.
_SLACK_SECONDS = 0.25
_MOST_WAITING_SECONDS = 60.0


class Turn:
    """One place of a lane. It is free again when its holder has left and no thread works in it."""

    def __init__(self, free: Callable[[], None]) -> None:
        self._free = free
        self._users = 1

    def enter(self) -> None:
        """Note one more who uses the place."""
        self._users += 1

    def leave(self) -> None:
        """Note that one who used the place is done."""
        self._users -= 1
        if not self._users:
            self._free()


class Lane:
    """Threads for requests to a server. Those that find none wait for their turn.

    A thread that was given up keeps its place until it has ended, so there are never more connections than places.

    Args:
        name: name for messages and threads.
        places: most threads, and so most connections.
        faults: makes the errors.
    """

    def __init__(self, name: str, places: int, faults: Faults) -> None:
        self._faults = faults
        self._places = places
        self._threads = Detached(name, places=places, often=True)
        self._turns = asyncio.Semaphore(places)
        self._waiting: dict[str, asyncio.Timeout] = {}
        self._gone: set[str] = set()

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[Turn]:
        """Wait for a place, for several requests one after another; :meth:`give_up` ends the wait for that ``name``.

        Raises:
            Exception: of the kind that ``faults`` makes: the wait took a minute.
            GivenUpError: the wait was given up, which tells nothing of the server.
        """
        waiting = asyncio.timeout(_MOST_WAITING_SECONDS)
        self._waiting[name] = waiting
        try:
            turn = await self._free_turn(waiting)
        except Exception:
            if name in self._gone:
                raise GivenUpError from None
            raise
        finally:
            del self._waiting[name]
            self._gone.discard(name)
        try:
            yield turn
        finally:
            turn.leave()

    def give_up(self, name: str) -> None:
        """Let the wait for the turn of that name end now; does nothing if it has ended."""
        if name in self._waiting:
            self._gone.add(name)
            with suppress(RuntimeError):  # its time is over at this moment
                self._waiting[name].reschedule(asyncio.get_running_loop().time())

    async def run(
        self,
        work: Callable[[], _T],
        deadline: float,
        late: Callable[[_T], None] = lambda _: None,
        turn: Turn | None = None,
    ) -> _T:
        """Return what ``work`` returns, or raise what it raises, by ``deadline`` in the loop's time.

        ``late`` is called with a result that comes after that. Without a ``turn`` it waits for one, by the deadline, too.

        Raises:
            Exception: of the kind that ``faults`` makes: no thread was free in time, or the work took longer.
        """
        if turn is not None:
            return await self._run(work, deadline, late, turn)
        own = await self._free_turn(asyncio.timeout_at(deadline))
        try:
            return await self._run(work, deadline, late, own)
        finally:
            own.leave()

    async def _free_turn(self, waiting: asyncio.Timeout) -> Turn:
        try:
            async with waiting:
                await self._turns.acquire()
        except TimeoutError:
            message = f"all {self._places} connections were busy; raise max_connections if it can do more"
            raise self._faults.unavailable(message, nothing_done=True) from None
        return Turn(self._turns.release)

    async def _run(
        self, work: Callable[[], _T], deadline: float, late: Callable[[_T], None], turn: Turn
    ) -> _T:
        loop, begun = asyncio.get_running_loop(), False

        def timed() -> _T:
            nonlocal begun
            begun = True
            with until(deadline):
                return work()

        def ended() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(turn.leave)

        turn.enter()
        seconds = max(deadline - loop.time(), 0) + _SLACK_SECONDS
        try:
            return await self._threads.run(timed, seconds, late, ended)
        except StuckError:
            raise self._faults.unavailable("it didn't answer in time", nothing_done=not begun) from None
