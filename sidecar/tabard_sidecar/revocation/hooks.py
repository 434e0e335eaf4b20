"""Calls hooks for every revocation, for example to end leases, and retries them until they succeed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from tabard_sidecar.interfaces import Clock
from tabard_sidecar.state.model import Revocation, RevocationKind
from tabard_sidecar.util.lean import dataclass

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0
_CALL_SECONDS = 30.0
_AT_ONCE = 16
_log = logging.getLogger(__name__)


class LeaseHook(Protocol):
    """Ends access outside of Tabard, for example the leases of a secrets manager."""

    @property
    def name(self) -> str:
        """Name for health and logs."""
        ...

    async def revoked(self, revocation: Revocation) -> None:
        """End everything that depends on the revoked target.

        Called at least once for each revocation, and again after a restart, so it has to be idempotent. After an
        exception it is retried until it succeeds or the revocation expires; by then nothing depends on the target.
        It may take 30 seconds.
        """
        ...


@dataclass(slots=True)
class _Pending:
    revocation: Revocation
    due: float = 0.0
    pause: float = _FIRST_PAUSE_SECONDS
    problem: str = ""
    running: asyncio.Task[None] | None = None

    @property
    def yields(self) -> bool:
        """Whether it leaves places to others: agents make such in any number, or it failed before."""
        return self.revocation.kind is RevocationKind.CREDENTIAL or self.pause > _FIRST_PAUSE_SECONDS


class HookRunner:
    """Calls one hook for every revocation.

    Args:
        hook: the hook.
        clock: time in seconds since the epoch.
        report: called with the current problem, or the empty string if there is none.
    """

    def __init__(
        self, hook: LeaseHook, *, clock: Clock, report: Callable[[str], None] = lambda _: None
    ) -> None:
        self._hook = hook
        self._clock = clock
        self._report = report
        self._pending: dict[tuple[RevocationKind, str], _Pending] = {}
        self._news = asyncio.Event()
        self._handled = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        self._running: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many revocations the hook hasn't handled yet."""
        return len(self._pending)

    @property
    def started(self) -> bool:
        """Whether the hook is called."""
        return self._running is not None

    def take(self, revocation: Revocation) -> None:
        """Queue a revocation for the hook; a lift removes it from the queue."""
        key = (revocation.kind, revocation.target)
        self._pending.pop(key, None)
        if revocation.expires_at > 0:
            self._pending[key] = _Pending(revocation, due=time.monotonic())
        self._news.set()

    def start(self) -> None:
        """Start calling the hook."""
        self._running = asyncio.create_task(self._run(), name=f"revocation-hook-{self._hook.name}")

    async def finish(self) -> None:
        """Wait until each revocation that waits is handled, or the hook has failed on it once more."""
        waiting = list(self._pending.values())
        for pending in waiting:
            pending.due, pending.problem = 0.0, ""
        self._news.set()
        while any(pending in waiting and not pending.problem for pending in self._pending.values()):
            self._handled.clear()
            await self._handled.wait()

    async def stop(self) -> None:
        """Stop; revocations that aren't handled are handled after the next start."""
        running, self._running = self._running, None
        calls = list(self._calls)
        for task in (running, *calls) if running is not None else calls:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            for pending in self._due(loop.time()):
                pending.running = loop.create_task(self._call(pending))
                self._calls.add(pending.running)
                pending.running.add_done_callback(self._calls.discard)
            waiting = [pending.due for pending in self._pending.values() if pending.running is None]
            full = len(self._calls) >= _AT_ONCE
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(None if full else min(waiting, default=None)):
                    await self._news.wait()

    def _due(self, moment: float) -> Sequence[_Pending]:
        """Return what is called now. What failed before, and what agents revoke in any number, leaves half of the places free.

        So a server that hangs keeps no new revocation from its turn.
        """
        now = self._clock()
        for key, pending in list(self._pending.items()):
            # The clock may be wrong, so each is tried before it is forgotten.
            if pending.problem and pending.revocation.expires_at <= now:
                del self._pending[key]
        due = [each for each in self._pending.values() if each.running is None and each.due <= moment]
        first = [each for each in due if not each.yields]
        others = sorted((each for each in due if each.yields), key=lambda each: each.due)
        chosen = first[: max(_AT_ONCE - len(self._calls), 0)]
        return chosen + others[: max(_AT_ONCE // 2 - len(self._calls) - len(chosen), 0)]

    async def _call(self, pending: _Pending) -> None:
        revocation = pending.revocation
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                await self._hook.revoked(revocation)
        except Exception as error:  # noqa: BLE001 - a hook may raise anything
            _log.exception(
                "revocation_hook_failed", extra={"hook": self._hook.name, "kind": str(revocation.kind)}
            )
            pending.problem = f"{type(error).__name__}: {error}"
            pending.due = asyncio.get_running_loop().time() + pending.pause
            pending.pause = min(2 * pending.pause, _LONGEST_PAUSE_SECONDS)
        else:
            key = (revocation.kind, revocation.target)
            # A newer revocation of the same target may have replaced it, and isn't handled yet.
            if self._pending.get(key) is pending:
                del self._pending[key]
        finally:
            pending.running = None
            # The place is free only when this task has ended.
            asyncio.get_running_loop().call_soon(self._news.set)
            self._handled.set()
        self._report_problem()

    def _report_problem(self) -> None:
        problem = next((pending.problem for pending in self._pending.values() if pending.problem), "")
        self._report(
            f"{self._hook.name} hasn't handled {len(self._pending)} revocation(s), trying again: {problem}"
            if problem
            else ""
        )
