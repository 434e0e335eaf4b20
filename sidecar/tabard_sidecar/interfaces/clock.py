"""The time."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Source of the time; injected so that tests can move it."""

    def __call__(self) -> float:
        """Seconds since the epoch."""
        ...
