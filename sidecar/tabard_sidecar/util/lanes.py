"""Runs requests to a server in a bounded number of threads, so that the loop never waits for one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from tabard_sidecar.util.bounded_http import until
from tabard_sidecar.util.detached import Detached, StuckError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tabard_sidecar.util.bounded_http import Faults

_T = TypeVar("_T")
# The thread itself ends in time, and says best what took it so long.
_SLACK_SECONDS = 0.25


class Lane:
    """Threads for requests to a server. Those that find none wait for their turn.

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

    async def run(
        self, work: Callable[[], _T], deadline: float, late: Callable[[_T], None] = lambda _: None
    ) -> _T:
        """Return what ``work`` returns, or raise what it raises, by ``deadline`` in the loop's time.

        ``late`` is called with a result that comes after that.

        Raises:
            Exception: of the kind that ``faults`` makes: no thread was free in time, or the work took longer.
        """
        try:
            async with asyncio.timeout_at(deadline):
                await self._turns.acquire()
        except TimeoutError:
            message = f"all {self._places} connections were busy; raise max_connections if it can do more"
            raise self._faults.unavailable(message, nothing_done=True) from None
        begun = False

        def timed() -> _T:
            nonlocal begun
            begun = True
            with until(deadline):
                return work()

        try:
            left = deadline - asyncio.get_running_loop().time()
            return await self._threads.run(timed, max(left, 0) + _SLACK_SECONDS, late)
        except StuckError:
            raise self._faults.unavailable("it didn't answer in time", nothing_done=not begun) from None
        finally:
            self._turns.release()
