"""Values of arguments: how a habit draws them, and whether a value is one that the habit could have drawn."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

FIRST_DAYS = 31
"""Days of the first month, from which is learned; the second one has 28."""
DAYS = 59


class Source(Protocol):
    """Where the values of an argument come from."""

    def draw(self, rng: random.Random, day: int) -> Any:
        """Return a value of a day, counted from 0."""

    def fits(self, value: Any) -> bool:
        """Tell whether the habit could draw this value on any of the days."""


@dataclass(frozen=True)
class Choice:
    """One of a few values that stay the same; earlier ones are more frequent."""

    values: tuple[Any, ...]

    def draw(self, rng: random.Random, day: int) -> Any:  # noqa: ARG002 - a Source
        """Return one."""
        return self.values[min(int(rng.expovariate(2.0 / len(self.values))), len(self.values) - 1)]

    def fits(self, value: Any) -> bool:
        """Tell whether it is one of them."""
        return value in self.values


@dataclass(frozen=True)
class Growing:
    """One of a list that gets a new member every few days."""

    name: Callable[[int], str]
    at_first: int
    every_days: float

    def _count(self, day: int) -> int:
        return self.at_first + int(day / self.every_days)

    def draw(self, rng: random.Random, day: int) -> str:
        """Return one of those that are there by then; new ones are used more at first."""
        count = self._count(day)
        newest = rng.random() < 0.1
        return self.name(count - 1 if newest else rng.randrange(count))

    def fits(self, value: Any) -> bool:
        """Tell whether it is there in the end."""
        return value in {self.name(number) for number in range(self._count(DAYS))}


@dataclass(frozen=True)
class Amount:
    """A whole number around a median, mostly within a factor of it, which rises slowly; never more than ``most``."""

    median: float
    factor: float
    most: int
    growth_a_week: float = 0.01

    def draw(self, rng: random.Random, day: int) -> int:
        """Return one."""
        middle = math.log(self.median) + day / 7 * self.growth_a_week
        return max(1, min(self.most, round(rng.lognormvariate(middle, math.log(self.factor) / 2))))

    def fits(self, value: Any) -> bool:
        """Tell whether it is within the bound."""
        return bool(0 < value <= self.most)


@dataclass(frozen=True)
class Between:
    """A whole number between two."""

    low: int
    high: int

    def draw(self, rng: random.Random, day: int) -> int:  # noqa: ARG002 - a Source
        """Return one."""
        return rng.randint(self.low, self.high)

    def fits(self, value: Any) -> bool:
        """Tell whether it is one."""
        return bool(self.low <= value <= self.high)


@dataclass(frozen=True)
class Number:
    """A running number of a kind of record. Any number may come up, so any fits."""

    prefix: str

    def draw(self, rng: random.Random, day: int) -> str:
        """Return a recent one."""
        return f"{self.prefix}-{10_000 + day * 60 + rng.randrange(400)}"

    def fits(self, value: Any) -> bool:
        """Tell whether it is of the kind."""
        return str(value).startswith(f"{self.prefix}-")


@dataclass(frozen=True)
class Text:
    """Free text, which is new each time. Any fits."""

    def draw(self, rng: random.Random, day: int) -> str:  # noqa: ARG002 - a Source
        """Return one."""
        return " ".join(rng.choice(_WORDS) for _ in range(rng.randint(3, 12)))

    def fits(self, value: Any) -> bool:  # noqa: ARG002 - a Source
        """Any does."""
        return True


@dataclass(frozen=True)
class Below:
    """A new path or address below one of a few beginnings."""

    beginnings: tuple[str, ...]
    ending: str = ".pdf"

    def draw(self, rng: random.Random, day: int) -> str:
        """Return one."""
        return f"{rng.choice(self.beginnings)}{day // 7:02d}/{rng.randrange(10**6):06d}{self.ending}"

    def fits(self, value: Any) -> bool:
        """Tell whether it begins so."""
        return str(value).startswith(self.beginnings)


@dataclass(frozen=True)
class Mail:
    """An address at one of some domains."""

    domains: Source
    people: int = 500

    def draw(self, rng: random.Random, day: int) -> str:
        """Return one."""
        return f"person{rng.randrange(self.people)}@{self.domains.draw(rng, day)}"

    def fits(self, value: Any) -> bool:
        """Tell whether the domain fits."""
        return self.domains.fits(str(value).partition("@")[2])


@dataclass(frozen=True)
class Week:
    """The number of the week, a new value each week. Any fits."""

    def draw(self, rng: random.Random, day: int) -> str:  # noqa: ARG002 - a Source
        """Return it."""
        return f"2026-W{day // 7 + 1:02d}"

    def fits(self, value: Any) -> bool:
        """Tell whether it is a week."""
        return str(value).startswith("2026-W")


def mixed(sources: Sequence[Source]) -> Source:
    """Return a source that takes from others in turn, at random."""
    return _Mixed(tuple(sources))


@dataclass(frozen=True)
class _Mixed:
    sources: tuple[Source, ...]

    def draw(self, rng: random.Random, day: int) -> Any:
        return rng.choice(self.sources).draw(rng, day)

    def fits(self, value: Any) -> bool:
        return any(source.fits(value) for source in self.sources)


_WORDS = (
    "parcel",
    "arrived",
    "late",
    "please",
    "check",
    "the",
    "order",
    "again",
    "thanks",
    "new",
    "address",
    "box",
    "damaged",
    "friday",
    "colour",
    "green",
    "and",
    "with",
    "two",
    "pallets",
)
