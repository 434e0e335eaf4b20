"""The feed: what is revoked, known to this sidecar at any moment and never older than a bound."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.interfaces import Clock
from tabard_sidecar.revocation.known import KnownRevocations
from tabard_sidecar.state.model import Chain, Revocation, TaskState

Listener = Callable[[Revocation], None]
"""Hears of every revocation and every lift, at once and in order; must not block."""

_FIRST_PAUSE_SECONDS = 0.05
# Linux's monotonic clock stands still while the machine sleeps; elsewhere it goes on.
_UPTIME: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
# No chain begins with it; looked up for the zone's newest number only.
_NOBODY = Chain(("0" * 64,))
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
        """Return how a chain stands; tells the number of the zone's newest revocation as well."""
        ...

    async def revoke(self, revocation: Revocation) -> int:
        """Revoke, durably; return the sequence number."""
        ...


def uptime() -> float:
    """Return seconds that never go back and go on while the machine sleeps."""
    return time.clock_gettime(_UPTIME)


class RevocationFeed:
    """Follows the zone's revocations.

    The store tells of news, and is asked anyway every quarter of ``max_stale_seconds``, so a connection that looks open
    and isn't does no harm. Questions wait for what they know to be missing: see :meth:`catch_up`.

    Args:
        source: the state store.
        clock: time in seconds since the epoch.
        max_stale_seconds: longest time without word from the store.
        report: told what is wrong, or the empty string when all is well.
        uptime: seconds by which staleness is measured.
    """

    def __init__(
        self,
        source: RevocationSource,
        *,
        clock: Clock,
        max_stale_seconds: float,
        report: Callable[[str], None] = lambda _: None,
        uptime: Callable[[], float] = uptime,
    ) -> None:
        self.known = KnownRevocations()
        self._source = source
        self._clock = clock
        self._uptime = uptime
        self._max_stale = max_stale_seconds
        self._report = report
        self._listeners: list[Listener] = []
        self._reading = asyncio.Lock()
        self._begun = 0
        self._succeeded = 0
        self._sequence = 0
        self._low = -1
        self._lost: list[Revocation] = []
        self._last: Revocation | None = None
        self._contact = float("-inf")
        self._following: asyncio.Task[None] | None = None
        self._deaf = ""

    @property
    def sequence(self) -> int:
        """Sequence number up to which everything is known."""
        return self._sequence

    @property
    def age_seconds(self) -> float:
        """Time since the store was read last."""
        return self._uptime() - self._contact

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` for every revocation from now on; before :meth:`start` that means all there are."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Read every revocation and follow them from then on.

        Raises:
            NoDecision: the state store is out of reach.
        """
        await self.refresh()
        await self._recount()
        self._report(self._deaf)
        self._following = asyncio.create_task(self._follow(), name="revocation-feed")

    async def stop(self) -> None:
        """Follow no longer."""
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    def check_fresh(self) -> None:
        """Check that the store was heard of lately enough.

        Raises:
            Refused: ``revocation_state_stale``.
        """
        age = self.age_seconds
        if age > self._max_stale:
            raise Refused(
                "revocation_state_stale",
                f"no word of the zone's revocations for {age:.0f} s; {self._max_stale:g} s are allowed "
                "(revocation.max_stale_seconds)",
            )

    async def catch_up(self, newest: int) -> None:
        """Know every revocation up to ``newest``, the sequence number that a chain was looked up with.

        Raises:
            NoDecision: the state store is out of reach.
        """
        if newest < self._sequence:
            # Looked up before we read last, or else the store has lost what we know.
            if newest != self._low:
                self._low = newest
                await self._recount()
            return
        if newest == self._sequence:
            return
        async with self._reading:
            if newest > self._sequence:
                await self._read()
                # One that has expired isn't listed any more, but its number was given.
                self._sequence = max(self._sequence, newest)

    async def _recount(self) -> None:
        """Ask for the zone's newest number: what has that number may be gone, or the store may have gone back."""
        before = self._sequence
        async with self._answering():
            newest = (await self._source.look_up(_NOBODY, calls=0)).revocations
        if newest >= before:
            await self.catch_up(newest)
            return
        async with self._reading:
            if self._sequence == before:
                await self._read(anew=True)

    async def refresh(self) -> None:
        """Know every revocation that was made before this was called.

        Raises:
            NoDecision: the state store is out of reach.
        """
        asked = self._begun
        async with self._reading:
            # Somebody else's reading counts if it began after we asked.
            if self._succeeded <= asked:
                await self._read()

    async def _read(self, *, anew: bool = False) -> None:
        """Read what is new; or everything, if it is known or turns out that the store has gone back in time."""
        self._begun += 1
        number, began = self._begun, self._uptime()
        witness = self._witness()
        async with self._answering():
            fresh = await self._source.revocations(
                after=self._sequence if witness is None else witness.seq - 1
            )
            if anew or (witness is not None and not _holds(fresh, witness)):
                fresh = await self._source.revocations(after=0)
                self._start_over(fresh)
        self._take(fresh)
        self._succeeded = number
        self._contact = began

    def _start_over(self, fresh: Sequence[Revocation]) -> None:
        """Follow a store that has gone back in time from where it is now.

        What it has lost stays revoked here, and is made known to it again.
        """
        listed = {(entry.kind, entry.target) for entry in fresh}
        self._lost = [
            entry for entry in self.known.held(self._clock()) if (entry.kind, entry.target) not in listed
        ]
        _log.error("revocations went back in time", extra={"at": self._sequence, "lost": len(self._lost)})
        self._sequence, self._low, self._last = 0, -1, None

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """Turn a store that doesn't answer at all into one that is out of reach."""
        try:
            async with asyncio.timeout(self._max_stale):
                yield
        except TimeoutError:
            raise NoDecision(
                "UNAVAILABLE", "state_unavailable", "the state store doesn't say what is revoked"
            ) from None

    def _witness(self) -> Revocation | None:
        """Return the newest revocation that the store must still have; without it, it has gone back in time."""
        now, last = self._clock(), self._last
        if last is not None and last.expires_at > now:
            return last
        held = [entry for entry in self.known.held(now) if entry.seq <= self._sequence]
        return max(held, key=lambda entry: entry.seq, default=None)

    def _take(self, fresh: Sequence[Revocation]) -> None:
        news = [entry for entry in fresh if entry.seq > self._sequence]
        # All of them count before anybody is told of the first.
        for entry in news:
            self.known.apply(entry)
        if news:
            self._last = news[-1]
            self._sequence = news[-1].seq
        for entry in news:
            self._tell(entry)

    def _tell(self, entry: Revocation) -> None:
        for listener in self._listeners:
            try:
                listener(entry)
            except Exception:  # noqa: BLE001 - a feed that dies quietly would be worse
                # The revocation itself counts already; one broken listener mustn't keep it from the others.
                _log.exception("revocation_listener_failed", extra={"kind": str(entry.kind)})
                self._deaf = (
                    "a listener failed to take a revocation; the log has details, a restart tells it again"
                )

    async def _follow(self) -> None:
        longest = self._max_stale / 4
        pause = _FIRST_PAUSE_SECONDS
        while True:
            if await self._turn():
                pause = _FIRST_PAUSE_SECONDS
                continue
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def _turn(self) -> bool:
        """Wait for news and read them; False if that led nowhere, so that the next turn shouldn't follow at once."""
        before = self._sequence
        told, problem = await self._wait(before)
        try:
            await self.refresh()
            if self._sequence == before:
                await self._recount()
            await self._restore()
        except NoDecision as error:
            self._report(f"{error.message} ({self.age_seconds:.0f} s without word)")
            return False
        except Exception:  # noqa: BLE001 - a feed that dies quietly would be worse
            _log.exception("revocation_feed_broken")
            self._report("the feed of revocations is broken; the log has details")
            return False
        self.known.prune(self._clock())
        self._report(problem or self._deaf)
        return not problem and (not told or self._sequence > before)

    async def _restore(self) -> None:
        """Revoke again what the store has lost."""
        while self._lost:
            async with self._answering():
                await self._source.revoke(self._lost[-1])
            self._lost.pop()

    async def _wait(self, after: int) -> tuple[bool, str]:
        quarter = self._max_stale / 4
        try:
            async with asyncio.timeout(2 * quarter):
                return await self._source.watch(after, timeout_seconds=quarter), ""
        except TimeoutError:
            return False, "the state store doesn't tell of revocations; they are read every few seconds"
        except NoDecision as error:
            return False, error.message
        except Exception:  # noqa: BLE001 - a feed that dies quietly would be worse
            _log.exception("revocation_watch_broken")
            return False, "the watch for revocations is broken; the log has details"


def _holds(fresh: Sequence[Revocation], witness: Revocation) -> bool:
    """Tell whether a revocation came again, or changed since and so came under a higher number."""
    return any((entry.kind, entry.target) == (witness.kind, witness.target) for entry in fresh)
