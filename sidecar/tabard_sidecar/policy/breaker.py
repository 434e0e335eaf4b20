"""Shortens, and at worst pauses, evaluations of a policy that repeatedly exceeds its deadline (a circuit breaker)."""

from __future__ import annotations

from collections.abc import Callable

from tabard_sidecar.interfaces import Clock
from tabard_sidecar.util.lean import dataclass

SHORT = 0.1
"""Share of the deadline that an evaluation gets after repeated time-outs."""
LONGEST_PAUSE_SECONDS = 300.0


@dataclass(slots=True)
class _Entry:
    timeouts: int = 0
    last: float = 0.0


class Breaker:
    """Counts time-outs per policy module; of all modules together if the one that ran isn't known.

    Nothing that an agent chooses is a key: it could vary a name and never be counted. Time-outs with less than
    ``pause_seconds`` between them add up. After ``limit`` of them every evaluation gets a tenth of the deadline, until
    ``pause_seconds`` have passed without another. So a runaway rule costs little, and calls that don't reach it are
    decided as before.

    An evaluation that can't be interrupted costs a processor until it ends. While ``limit`` of them are stuck, no
    evaluation starts for ``pause_seconds``, and for twice as long each time that another one gets stuck.

    Args:
        limit: time-outs, or stuck evaluations, from which on it acts.
        pause_seconds: how long it acts after the last one.
        clock: the current time.
        stuck: returns how many evaluations are stuck now.
    """

    def __init__(self, limit: int, pause_seconds: float, clock: Clock, stuck: Callable[[], int]) -> None:
        self._limit = limit
        self._pause = pause_seconds
        self._clock = clock
        self._stuck = stuck
        self._entries: dict[str, _Entry] = {}
        self._most_stuck = 0
        self._paused_at = 0.0
        self._paused_for = 0.0

    def share(self) -> float:
        """Return the share of the deadline that the next evaluation gets: 1, a tenth, or 0 while evaluation is paused."""
        if not self._entries and not self._paused_for:
            return 1.0
        now = self._clock()
        if self._pausing(now):
            return 0.0
        return SHORT if self._shortened(now) else 1.0

    def timed_out(self, module: str) -> None:
        """Count a time-out of a module; of the whole policy if ``module`` is empty."""
        now = self._clock()
        entry = self._entries.get(module)
        if entry is None or not self._recent(entry.last, self._pause, now):
            entry = self._entries[module] = _Entry()
        entry.timeouts += 1
        entry.last = now

    def answered(self) -> None:
        """Note that an evaluation was in time: forget time-outs that are long past."""
        if self._entries:
            now = self._clock()
            for module in [
                name for name, one in self._entries.items() if not self._recent(one.last, self._pause, now)
            ]:
                del self._entries[module]

    def reasons(self, stuck: int | None = None) -> tuple[str, ...]:
        """Return what it does now, one line for each module. ``stuck`` are the evaluations that are, if that is known."""
        now = self._clock()
        lines = [
            f"evaluation of {'policy.' + module if module else 'the policy'} is shortened after repeated time-outs"
            for module in sorted(self._shortened(now))
        ]
        if self._pausing(now, stuck):
            lines.append(f"evaluation is paused: {self._most_stuck} evaluations can't be interrupted")
        return tuple(lines)

    def _shortened(self, now: float) -> list[str]:
        return [
            module
            for module, one in self._entries.items()
            if one.timeouts >= self._limit and self._recent(one.last, self._pause, now)
        ]

    def _pausing(self, now: float, stuck: int | None = None) -> bool:
        stuck = self._stuck() if stuck is None else stuck
        if stuck < self._limit:
            self._most_stuck, self._paused_for = 0, 0.0
            return False
        if stuck > self._most_stuck:
            self._most_stuck = stuck
            self._paused_at = now
            self._paused_for = min(max(2 * self._paused_for, self._pause), LONGEST_PAUSE_SECONDS)
        return self._recent(self._paused_at, self._paused_for, now)

    @staticmethod
    def _recent(moment: float, seconds: float, now: float) -> bool:
        """Tell whether a moment is less than so many seconds ago. A clock that was set back makes it long ago."""
        return 0 <= now - moment < seconds
