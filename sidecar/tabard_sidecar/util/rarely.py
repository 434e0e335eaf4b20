"""Limits how often something is said."""

from __future__ import annotations

from time import monotonic

from tabard_sidecar.util.fifo import FifoDict


class Rarely:
    """Tells at most once in so many seconds that something may be said.

    Args:
        seconds: shortest time between two sayings.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    def due(self) -> bool:
        """Return True if it may be said now, which counts as said."""
        now = monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True


class PerWindow:
    """Counts sayings of each kind in windows of time, and tells which go beyond a limit.

    Args:
        most: sayings of one kind in a window.
        seconds: length of a window, which begins with a kind's first saying.
        kinds: how many kinds are remembered; the oldest is forgotten for one more.
    """

    def __init__(self, most: int, seconds: float, kinds: int) -> None:
        self._most = most
        self._seconds = seconds
        self._windows: FifoDict[str, tuple[float, int]] = FifoDict(kinds)

    def take(self, kind: str, now: float) -> tuple[bool, int]:
        """Count a saying; return whether it may be said, and how many of its kind weren't said before it.

        The second is other than 0 for the first saying of a new window only. ``now`` is in seconds.
        """
        began, count = self._windows.get(kind, (now, 0))
        left_out = max(0, count - self._most)
        if now - began >= self._seconds:
            began, count = now, 0
        self._windows[kind] = began, count + 1
        return count < self._most, left_out if count == 0 else 0
