"""Limits how often something is said."""

from __future__ import annotations

from time import monotonic


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
