"""Ends credentials at several servers at the same time, so that none waits for another one that hangs."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.util.fifo import FifoDict

if TYPE_CHECKING:
    from tabard_sidecar.credentials.asked_server import AskedServer

_T = TypeVar("_T")
# Less than a hook may take, so that it says what is left.
_MOST_SECONDS = 25.0
_MOST_STUBBORN = 1024


class Round:
    """What is ended at one server now: as much at once as it has places for, in any order.

    A server that has ended nothing for as long as one credential may take is asked no more in this round. What it couldn't
    end before comes last, so that this keeps nothing else from its end.

    Args:
        server: the server.
        stubborn: ids of what couldn't be ended before; kept up to date.
    """

    def __init__(self, server: AskedServer, stubborn: FifoDict[str, None]) -> None:
        self._places = server.ending_places
        self._patience_seconds = server.timeout_seconds
        self._stubborn = stubborn
        self._later: list[Callable[[], Awaitable[None]]] = []
        self._began = time.monotonic()
        self._since: float | None = None
        self._silent_seconds = 0.0
        self._failure: NoDecision | None = None
        self.failed = 0
        """How many weren't ended, those that weren't tried included."""
        self.problem = ""
        """Why the first of them wasn't."""

    @property
    def over(self) -> bool:
        """Whether the server is asked no more."""
        now = time.monotonic()
        silent = self._silent_seconds + (0.0 if self._since is None else now - self._since)
        return silent > self._patience_seconds or now - self._began > _MOST_SECONDS

    async def each(self, end: Callable[[_T], Awaitable[str]], found: Mapping[str, _T]) -> None:
        """Call ``end`` with each, by its id; it returns why it couldn't end it, or the empty string.

        Raises:
            NoDecision: the state store is unavailable; the rest was ended all the same.
        """
        later = {name: one for name, one in found.items() if name in self._stubborn}
        if later:
            self._later.append(lambda: self._all(end, later))
        await self._all(end, {name: one for name, one in found.items() if name not in later})

    async def finish(self) -> None:
        """Try what couldn't be ended before."""
        for work in self._later:
            await work()

    async def _all(self, end: Callable[[_T], Awaitable[str]], found: Mapping[str, _T]) -> None:
        waiting = list(found.items())
        random.shuffle(waiting)
        self._since = time.monotonic()
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(self._places, len(waiting))):
                workers.create_task(self._work(end, waiting))
        self._silent_seconds += time.monotonic() - self._since
        self._since = None  # what passes now isn't the server's time
        if self._failure is not None:
            raise self._failure

    async def _work(self, end: Callable[[_T], Awaitable[str]], waiting: list[tuple[str, _T]]) -> None:
        while waiting and not self.over:
            name, one = waiting.pop()
            problem = ""
            try:
                problem = await end(one)
            except NoDecision as error:
                self._failure = error
            if problem:
                self._stubborn[name] = None
                self.failed += 1
                self.problem = self.problem or problem
            else:
                self._stubborn.pop(name, None)
                self._since, self._silent_seconds = time.monotonic(), 0.0
        self.failed += len(waiting)
        waiting.clear()


class Rounds:
    """Ends credentials at all servers at the same time.

    Args:
        servers: the servers, by name.
    """

    def __init__(self, servers: Mapping[str, AskedServer]) -> None:
        self._servers = servers
        self._stubborn: dict[str, FifoDict[str, None]] = {name: FifoDict(_MOST_STUBBORN) for name in servers}

    async def run(self, work: Callable[[str, Round], Awaitable[None]]) -> str:
        """Do ``work`` for every server, by its name; return how many credentials weren't ended and why, or nothing.

        Raises:
            NoDecision: the state store is unavailable.
        """
        rounds = {name: Round(server, self._stubborn[name]) for name, server in self._servers.items()}

        async def one(name: str, now: Round) -> None:
            await work(name, now)
            await now.finish()

        done = await asyncio.gather(*(one(*each) for each in rounds.items()), return_exceptions=True)
        for failure in done:
            if isinstance(failure, BaseException):
                raise failure
        return _problem_of(rounds.values())


def _problem_of(rounds: Iterable[Round]) -> str:
    failed = [each for each in rounds if each.failed]
    count = sum(each.failed for each in failed)
    why = "; ".join(each.problem or "it took too long, so the rest is tried next" for each in failed)
    return f"{count} credential(s) not ended: {why}" if failed else ""
