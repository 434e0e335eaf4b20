"""Remembers what was seen in bounded memory. What is remembered doesn't depend on the order in which it was seen."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from tabard_sidecar.suggest.thresholds import Thresholds

MOST_TASKS: Final = 200
"""Most distinct tasks that are counted; more count as so many."""
_MOST_DAYS: Final = 4000
_Member = TypeVar("_Member", bound=Hashable)


class TooMuchError(Exception):
    """More was used than can be remembered; the message says what."""


class Room:
    """Counts what is remembered in all.

    Args:
        places: most things that are remembered; each takes some 150 bytes.
    """

    def __init__(self, places: int = 1_000_000) -> None:
        self._left = places

    def take(self, places: int = 1) -> None:
        """Count something more.

        Raises:
            TooMuchError: there is no room for it.
        """
        self._left -= places
        if self._left < 0:
            raise TooMuchError("the log holds more agents, purposes, tools and values than can be remembered")


class When(NamedTuple):
    """When something was seen: the day, counted from the first one of the log, and a number for the task."""

    day: int
    task: int


class Days:
    """Distinct days."""

    __slots__ = ("_bits",)

    def __init__(self) -> None:
        self._bits = 0

    def add(self, day: int) -> None:
        """Add one. Days before the first one count as the first, those of far-off times as the last that can be told apart."""
        self._bits |= 1 << min(max(day, 0), _MOST_DAYS)

    def __len__(self) -> int:
        return self._bits.bit_count()

    def after(self, day: int) -> int:
        """Return how many are later than a day."""
        return (self._bits >> (min(max(day, 0), _MOST_DAYS) + 1)).bit_count()


class Evidence:
    """How often, in how many tasks and on how many days something was seen."""

    __slots__ = ("_room", "_tasks", "calls", "days")

    def __init__(self, room: Room) -> None:
        self.calls = 0
        self.days = Days()
        self._tasks: set[int] = set()
        self._room = room

    def note(self, when: When) -> None:
        """Note that it was seen once more."""
        self.calls += 1
        self.days.add(when.day)
        if when.task not in self._tasks and len(self._tasks) < MOST_TASKS:
            self._room.take()
            self._tasks.add(when.task)

    @property
    def tasks(self) -> int:
        """Distinct tasks, ``MOST_TASKS`` for more."""
        return len(self._tasks)

    def suffices(self, thresholds: Thresholds) -> bool:
        """Tell whether it is enough for a proposal."""
        return (
            self.calls >= thresholds.decisions
            and self.tasks >= thresholds.tasks
            and len(self.days) >= thresholds.days
        )


class _Seen:
    """One member of a set: the first day, and whether several tasks had it."""

    __slots__ = ("first", "several", "task")

    def __init__(self, when: When) -> None:
        self.first = when.day
        self.task = when.task
        self.several = False


class Members(Generic[_Member]):
    """Distinct values; none any more if there are too many.

    Args:
        room: counts them.
        most: most members.
    """

    __slots__ = ("_most", "_room", "_seen", "_unbounded")

    def __init__(self, room: Room, most: int) -> None:
        self._seen: dict[_Member, _Seen] = {}
        self._unbounded = False
        self._most = most
        self._room = room

    def add(self, member: _Member, when: When) -> None:
        """Add one."""
        if self._unbounded:
            return
        seen = self._seen.get(member)
        if seen is None:
            if len(self._seen) >= self._most:
                self.give_up()
                return
            self._room.take()
            seen = self._seen[member] = _Seen(when)
        seen.first = min(seen.first, when.day)
        seen.several = seen.several or seen.task != when.task

    def give_up(self) -> None:
        """Count as no set from now on."""
        self._unbounded = True
        self._seen.clear()

    @property
    def bounded(self) -> bool:
        """Whether this is a set."""
        return not self._unbounded

    def values(self) -> list[_Member]:
        """Return the members; none if this is no set."""
        return list(self._seen)

    def settled(self, days: Days, thresholds: Thresholds) -> bool:
        """Tell whether nothing new is to be expected: no recent first sighting, and few members that only one task had.

        Args:
            days: on which any member was seen.
            thresholds: what counts as recent and as few.
        """
        if self._unbounded:
            return False
        newest = max((seen.first for seen in self._seen.values()), default=0)
        several = sum(seen.several for seen in self._seen.values())
        recent = days.after(newest) < thresholds.settled
        return not recent and several >= thresholds.repeated * len(self._seen)


class Peak:
    """The largest of some numbers, and the first day on which it was seen."""

    __slots__ = ("first", "unknown", "value")

    def __init__(self) -> None:
        self.value: float = 0
        self.first = 0
        self.unknown = False

    def note(self, value: float, day: int) -> None:
        """Note a number of at least 0."""
        if value > self.value:
            self.value, self.first = value, day
        elif value == self.value:
            self.first = min(self.first, day)

    def settled(self, days: Days, thresholds: Thresholds) -> bool:
        """Tell whether no larger one was seen recently; ``days`` are those on which any was."""
        return not self.unknown and (not self.value or days.after(self.first) >= thresholds.settled)


class Range:
    """The smallest and the largest of some numbers, each with the first day on which it was seen."""

    __slots__ = ("high", "high_first", "low", "low_first", "whole")

    def __init__(self) -> None:
        self.low: float | None = None
        self.high: float | None = None
        self.low_first = 0
        self.high_first = 0
        self.whole = True

    def note(self, value: float, day: int) -> None:
        """Note a number."""
        self.whole = self.whole and isinstance(value, int)
        if self.low is None or value < self.low:
            self.low, self.low_first = value, day
        elif value == self.low:
            self.low_first = min(self.low_first, day)
        if self.high is None or value > self.high:
            self.high, self.high_first = value, day
        elif value == self.high:
            self.high_first = min(self.high_first, day)


class Beginnings:
    """What all of some texts begin with, day by day; nothing any more if there is nothing."""

    __slots__ = ("_by_day", "_none", "_room")

    def __init__(self, room: Room) -> None:
        self._by_day: dict[int, str] = {}
        self._none = False
        self._room = room

    def note(self, text: str, day: int) -> None:
        """Note a text, of at most some hundred characters."""
        if self._none:
            return
        day = min(max(day, 0), _MOST_DAYS)
        known = self._by_day.get(day)
        if known is None:
            self._room.take(2)
        elif text.startswith(known):
            return
        self._by_day[day] = common = _common([text, text if known is None else known])
        if not common or not _common([common, next(iter(self._by_day.values()))]):
            self._none = True
            self._by_day.clear()

    def common(self, *, but_last: int = 0) -> str:
        """Return what all texts begin with, without those of the last so many days."""
        days = sorted(self._by_day)
        return _common([self._by_day[day] for day in days[: len(days) - but_last]])


def _common(texts: Sequence[str]) -> str:
    """Return what all texts begin with."""
    if not texts:
        return ""
    least, most = min(texts), max(texts)  # what these have in common, all between them have
    return next((least[:place] for place, mark in enumerate(least) if most[place] != mark), least)
