"""Follows the zone's revocations in memory, with a bound on how old that view may be."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.interfaces import Clock
from tabard_sidecar.revocation.active import ActiveRevocations
from tabard_sidecar.state.model import Chain, Revocation, TaskState
from tabard_sidecar.util.clock_watch import uptime

Listener = Callable[[Revocation], None]
"""Called for every revocation and every lift, in order; must not block."""

_FIRST_PAUSE_SECONDS = 0.05
# A link that no chain has: looking it up returns the zone's newest sequence number and nothing else.
_NO_CHAIN = Chain(("0" * 64,))
_log = logging.getLogger(__name__)


class RevocationSource(Protocol):
    """The part of the state store that the feed needs."""

    async def revocations(self, *, after: int = 0) -> Sequence[Revocation]:
        """Return the revocations above ``after``, in order."""
        ...

    async def watch(self, after: int, *, timeout_seconds: float) -> bool:
        """Wait until there is a revocation above ``after``."""
        ...

    async def look_up(self, chain: Chain, *, calls: int = 0) -> TaskState:
        """Return a chain's task state, which holds the sequence number of the zone's newest revocation."""
        ...

    async def revoke(self, revocation: Revocation) -> int:
        """Revoke, durably; return the sequence number."""
        ...


class RevocationFeed:
    """Follows the zone's revocations.

    The store announces new revocations. It is also read every quarter of ``max_stale_seconds``, in case a connection is
    dead without notice. A request waits for revocations that it knows to be missing: see :meth:`catch_up`.

    Args:
        source: the state store.
        clock: time in seconds since the epoch.
        max_stale_seconds: longest time without a successful read of the store.
        report: called with the current problem, or the empty string if there is none.
        uptime: monotonic seconds, by which staleness is measured.
        steady: tells whether revocations that have expired may be forgotten, because the clock is right.
    """

    def __init__(  # noqa: PLR0913 - each is a part that tests replace
        self,
        source: RevocationSource,
        *,
        clock: Clock,
        max_stale_seconds: float,
        report: Callable[[str], None] = lambda _: None,
        uptime: Callable[[], float] = uptime,
        steady: Callable[[], bool] = lambda: True,
    ) -> None:
        self.active = ActiveRevocations()
        self._source = source
        self._clock = clock
        self._uptime = uptime
        self._steady = steady
        self._max_stale_seconds = max_stale_seconds
        self._report = report
        self._listeners: list[Listener] = []
        self._listener_problem = ""
        self._follower: asyncio.Task[None] | None = None
        # Reads are numbered, so that callers of refresh() can share one.
        self._reading = asyncio.Lock()
        self._reads_begun = 0
        self._last_read = 0
        self._last_contact = float("-inf")
        # How far this sidecar has read, and the newest revocation that it read.
        self._sequence = 0
        self._newest: Revocation | None = None
        # A lower newest number that a caller reported and that was checked with the store; -1 for none.
        self._checked_newest = -1
        # Revocations that the store lost and that have to be stored again.
        self._lost: list[Revocation] = []

    @property
    def sequence(self) -> int:
        """Sequence number up to which every revocation has been read."""
        return self._sequence

    @property
    def age_seconds(self) -> float:
        """Seconds since the start of the last successful read."""
        return self._uptime() - self._last_contact

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` for every revocation that is read from now on; before :meth:`start`, for all."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Read every revocation, then follow new ones.

        Raises:
            NoDecision: the state store is unavailable.
        """
        await self.refresh()
        await self._check_newest()
        self._report(self._listener_problem)
        self._follower = asyncio.create_task(self._follow(), name="revocation-feed")

    async def stop(self) -> None:
        """Stop following."""
        following, self._follower = self._follower, None
        if following is not None:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    def check_fresh(self) -> None:
        """Check that the last successful read is recent enough.

        Raises:
            Refused: ``revocation_state_stale``.
        """
        age = self.age_seconds
        if age > self._max_stale_seconds:
            raise Refused(
                "revocation_state_stale",
                f"the zone's revocations were last read {age:.0f} s ago; {self._max_stale_seconds:g} s are allowed "
                "(revocation.max_stale_seconds)",
            )

    async def catch_up(self, newest: int) -> None:
        """Read every revocation up to ``newest``, the newest sequence number that the look-up of a chain returned.

        Raises:
            NoDecision: the state store is unavailable.
        """
        if newest < self._sequence:
            # Either the look-up is older than the last read, or the store lost revocations: check once per number.
            if newest != self._checked_newest:
                self._checked_newest = newest
                await self._check_newest()
            return
        if newest == self._sequence:
            return
        async with self._reading:
            if newest > self._sequence:
                await self._read()
                # The revocation with that number may have expired; then it isn't listed.
                self._sequence = max(self._sequence, newest)

    async def _check_newest(self) -> None:
        """Compare the zone's newest sequence number with ours; if it is lower, the store has gone back in time."""
        before = self._sequence
        async with self._bounded():
            newest = (await self._source.look_up(_NO_CHAIN, calls=0)).revocations
        if newest >= before:
            await self.catch_up(newest)
            return
        async with self._reading:
            if self._sequence == before:
                await self._read(everything=True)

    async def refresh(self) -> None:
        """Read every revocation that was stored before this call.

        Raises:
            NoDecision: the state store is unavailable.
        """
        asked = self._reads_begun
        async with self._reading:
            # Another caller's read is enough if it began after this call.
            if self._last_read <= asked:
                await self._read()

    async def _read(self, *, everything: bool = False) -> None:
        """Read new revocations; read all with ``everything``, or if the store turns out to have gone back in time."""
        self._reads_begun += 1
        number, began = self._reads_begun, self._uptime()
        expected = self._expected()
        async with self._bounded():
            fresh = await self._source.revocations(
                after=self._sequence if expected is None else expected.seq - 1
            )
            if everything or (expected is not None and not _lists(fresh, expected)):
                fresh = await self._source.revocations(after=0)
                self._follow_rollback(fresh)
        self._apply(fresh)
        self._last_read = number
        self._last_contact = began

    def _follow_rollback(self, fresh: Sequence[Revocation]) -> None:
        """Restart from the beginning of a store that has gone back in time.

        Revocations that it lost stay active here, and are stored again by :meth:`_restore`.
        """
        listed = {(entry.kind, entry.target) for entry in fresh}
        self._lost = [
            entry for entry in self.active.all(self._clock()) if (entry.kind, entry.target) not in listed
        ]
        _log.error("revocations went back in time", extra={"at": self._sequence, "lost": len(self._lost)})
        self._sequence, self._checked_newest, self._newest = 0, -1, None

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        """Bound the time of a store operation by ``max_stale_seconds``; raise :class:`NoDecision` beyond it."""
        try:
            async with asyncio.timeout(self._max_stale_seconds):
                yield
        except TimeoutError:
            raise NoDecision(
                "UNAVAILABLE", "state_unavailable", "reading revocations from the state store timed out"
            ) from None

    def _expected(self) -> Revocation | None:
        """Return the newest revocation that the store must still hold; if it doesn't, it has gone back in time."""
        now, newest = self._clock(), self._newest
        if newest is not None and newest.expires_at > now:
            return newest
        active = [entry for entry in self.active.all(now) if entry.seq <= self._sequence]
        return max(active, key=lambda entry: entry.seq, default=None)

    def _apply(self, listed: Sequence[Revocation]) -> None:
        fresh = [entry for entry in listed if entry.seq > self._sequence]
        # Apply all of them before a listener is called.
        for entry in fresh:
            self.active.apply(entry)
        if fresh:
            self._newest = fresh[-1]
            self._sequence = fresh[-1].seq
        for entry in fresh:
            self._notify(entry)

    def _notify(self, entry: Revocation) -> None:
        for listener in self._listeners:
            try:
                listener(entry)
            except Exception:  # noqa: BLE001 - the feed must not stop silently
                # The revocation is active already; the other listeners must still be called.
                _log.exception("revocation_listener_failed", extra={"kind": str(entry.kind)})
                self._listener_problem = (
                    "a listener failed on a revocation; the log has details, a restart calls it again"
                )

    async def _follow(self) -> None:
        longest = self._max_stale_seconds / 4
        pause = _FIRST_PAUSE_SECONDS
        while True:
            if await self._follow_once():
                pause = _FIRST_PAUSE_SECONDS
                continue
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def _follow_once(self) -> bool:
        """Wait for new revocations and read them; return False if the caller should pause before the next call."""
        before = self._sequence
        announced, problem = await self._wait(before)
        try:
            await self.refresh()
            if self._sequence == before:
                await self._check_newest()
            await self._restore()
        except NoDecision as error:
            self._report(f"{error.message} (revocations were last read {self.age_seconds:.0f} s ago)")
            return False
        except Exception:  # noqa: BLE001 - the feed must not stop silently
            _log.exception("revocation_feed_broken")
            self._report("reading revocations failed; the log has details")
            return False
        if self._steady():
            self.active.prune(self._clock())
        self._report(problem or self._listener_problem)
        return not problem and (not announced or self._sequence > before)

    async def _restore(self) -> None:
        """Store the revocations again that the store has lost."""
        while self._lost:
            async with self._bounded():
                await self._source.revoke(self._lost[-1])
            self._lost.pop()

    async def _wait(self, after: int) -> tuple[bool, str]:
        quarter = self._max_stale_seconds / 4
        try:
            async with asyncio.timeout(2 * quarter):
                return await self._source.watch(after, timeout_seconds=quarter), ""
        except TimeoutError:
            return False, "waiting for new revocations timed out; they are read every few seconds"
        except NoDecision as error:
            return False, error.message
        except Exception:  # noqa: BLE001 - the feed must not stop silently
            _log.exception("revocation_watch_broken")
            return False, "waiting for new revocations failed; the log has details"


def _lists(fresh: Sequence[Revocation], expected: Revocation) -> bool:
    """Tell whether ``fresh`` lists the target of a revocation, under the same or a higher number."""
    return any((entry.kind, entry.target) == (expected.kind, expected.target) for entry in fresh)
