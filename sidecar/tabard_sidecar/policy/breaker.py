"""Pauses evaluations that repeatedly exceed their deadline (a circuit breaker)."""

from __future__ import annotations

from dataclasses import dataclass

from tabard_sidecar.interfaces import Clock
from tabard_sidecar.util.fifo import FifoDict

_MAX_KEYS = 1024


@dataclass(slots=True)
class _Entry:
    timeouts: int = 0
    open_until: float = 0.0


class Breaker:
    """Counts consecutive time-outs per kind of request, so that one runaway rule doesn't stop the others.

    After ``limit`` time-outs a kind is paused for ``pause_seconds``; then one request is admitted as a trial.
    """

    def __init__(self, limit: int, pause_seconds: float, clock: Clock) -> None:
        self._limit = limit
        self._pause = pause_seconds
        self._clock = clock
        self._entries: FifoDict[str, _Entry] = FifoDict(_MAX_KEYS)

    def admits(self, key: str) -> bool:
        """Tell whether a request of this kind may be evaluated now."""
        entry = self._entries.get(key)
        if entry is None or entry.timeouts < self._limit:
            return True
        now = self._clock()
        if now < entry.open_until and entry.open_until - now <= self._pause:
            return False
        entry.open_until = now + self._pause  # this request is the trial; others wait for its result
        return True

    def timed_out(self, key: str) -> None:
        """Count a time-out."""
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry()
        entry.timeouts += 1
        entry.open_until = self._clock() + self._pause

    def answered(self, key: str) -> None:
        """Reset the time-outs of a kind."""
        self._entries.pop(key, None)

    def paused(self) -> tuple[str, ...]:
        """Return the kinds that are paused now."""
        now = self._clock()
        return tuple(
            key
            for key, entry in self._entries.items()
            if entry.timeouts >= self._limit and now < entry.open_until
        )
