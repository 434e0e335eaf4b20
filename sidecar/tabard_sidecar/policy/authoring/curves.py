"""Tells from a few measurements how the cost of an expression grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import field
from typing import NamedTuple

from tabard_opa import Step

from tabard_sidecar.util.lean import dataclass

_NEEDED = 3
_SHARE = 0.1
"""Least growth of steps as a share of that of the entries."""
_SLOWER = 2.2
"""How many times longer an evaluation takes with four times as many entries, if it goes through them."""
_LEAST_NS = 25_000
"""Least growth of an evaluation's time that counts; below it the machine's own noise may be larger."""
_LARGEST_DEGREE = 4


class StepKey(NamedTuple):
    """An expression: see :class:`tabard_opa.Step`, whose ``index`` is ``part`` here."""

    file: str
    row: int
    column: int
    part: int
    negated: bool
    inside: str


class Point(NamedTuple):
    """One measurement: evaluations, solutions, nanoseconds and the expression's text."""

    evals: int
    solutions: int
    ns: int
    text: str

    @property
    def each_ns(self) -> float:
        """Nanoseconds of one evaluation."""
        return self.ns / max(self.evals, 1)

    @property
    def each_solutions(self) -> float:
        """Solutions of one evaluation."""
        return self.solutions / max(self.evals, 1)


class Cost(NamedTuple):
    """An expression that makes the cost grow.

    Attributes:
        key: the expression.
        text: as it is written.
        degree: 1 if its cost grows as the entries do, 2 as their square, and so on.
        by_time: whether only time tells so: OPA goes through the entries in a single step.
        entries: the first and the last number of entries.
        steps: evaluations and solutions with these numbers.
    """

    key: StepKey
    text: str
    degree: int
    by_time: bool
    entries: tuple[int, int]
    steps: tuple[int, int]


@dataclass(slots=True)
class Curve:
    """The measurements of one expression, by the number of entries."""

    points: dict[int, Point] = field(default_factory=dict)

    def at(self, entries: int) -> Point:
        """Return a measurement; one that never came shows that the expression wasn't reached."""
        return self.points.get(entries, Point(0, 0, 0, ""))

    def slower(self, fewer: int, more: int) -> bool:
        """Tell whether one evaluation takes longer with more entries, as it does if it goes through them."""
        before, after = self.at(fewer).each_ns, self.at(more).each_ns
        factor = 1 + (_SLOWER - 1) * math.log(more / fewer, 4)
        return before > 0 and after > factor * before and after - before > _LEAST_NS


def key_of(step: Step) -> StepKey:
    """Return which expression a step is of."""
    return StepKey(step.file, step.row, step.column, step.index, step.negated, step.inside)


def growth_of(key: StepKey, curve: Curve, sizes: Sequence[int]) -> Cost | None:
    """Return how an expression makes the cost grow; ``None`` if it doesn't, or is only evaluated more often."""
    if len(sizes) < _NEEDED:
        return None
    first, middle, last = sizes[-3:]
    points = [curve.at(size) for size in (first, middle, last)]
    least = _SHARE * (last - middle)
    iterates = points[2].each_solutions - points[1].each_solutions > least
    by_time = not iterates and curve.slower(middle, last)
    if not (iterates or by_time):
        return None
    repeated = _exponent([point.evals for point in points], least, last / middle)
    degree = min(repeated + 1, _LARGEST_DEGREE)
    steps = tuple(point.evals + point.solutions for point in (curve.at(sizes[0]), points[2]))
    return Cost(key, points[2].text, degree, by_time, (sizes[0], last), (steps[0], steps[1]))


def _exponent(counts: Sequence[int], least: float, ratio: float) -> int:
    """Return with which power of the entries a count grows; 0 if it doesn't."""
    before, after = counts[1] - counts[0], counts[2] - counts[1]
    if after <= least:
        return 0
    return max(1, round(math.log(after / before, ratio))) if before > 0 else 1
