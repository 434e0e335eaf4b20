"""Counts evaluations that go on long after their deadline, and asks the engine only while their number can change."""

from __future__ import annotations

import time
from collections.abc import Callable

from tabard_opa import Engine, EngineError

_COUNTED_SECONDS = 5.0
"""Time after its deadline in which the engine counts an evaluation that can't be interrupted; half a second is usual."""


class StuckCount:
    """Reads the engine's counts. A call into the engine wakes its threads, so an idle process makes none.

    Args:
        engine: evaluates the policy.
        monotonic: time in seconds.
    """

    def __init__(self, engine: Engine, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._until = 0.0
        self._final = False
        self._counts = (0, 0)

    def began(self, deadline_seconds: float) -> None:
        """Note that an evaluation begins."""
        self._until = max(self._until, self._monotonic() + deadline_seconds + _COUNTED_SECONDS)
        self._final = False

    def read(self) -> tuple[int, int]:
        """Return how many are stuck, now and since the start; a closed engine evaluates nothing."""
        if self._final:
            return self._counts
        settled = self._monotonic() > self._until
        try:
            stats = self._engine.stats()
        except EngineError:
            return 0, 0
        self._counts = stats.stuck, stats.ever_stuck
        # No evaluation runs that isn't counted yet, and none that is counted can end.
        self._final = settled and not stats.stuck
        return self._counts
