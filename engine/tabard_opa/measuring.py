"""Describes what of a policy an evaluation ran, and what each expression cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tabard_opa.errors import EvaluationError


class Range(NamedTuple):
    """A part of a file, from its first line and column to the last ones, all from 1."""

    row: int
    column: int
    end_row: int
    end_column: int

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Return a range of OPA's coverage report, also of one that ``opa test`` writes."""
        start, end = told["start"], told["end"]
        return cls(start["row"], start.get("col", 0), end["row"], end.get("col", 0))

    def rows(self) -> range:
        """Return the lines."""
        return range(self.row, self.end_row + 1)


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """What of a file ran. Heads of rules and expressions count, each as a range."""

    covered: frozenset[Range] = frozenset()
    not_covered: frozenset[Range] = frozenset()

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Return what OPA's coverage report says of a file."""
        return cls(*(frozenset(map(Range.of, told.get(name) or ())) for name in ("covered", "not_covered")))


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an evaluation ran, by file, and why it has no result, if it has none."""

    files: Mapping[str, FileCoverage]
    error: EvaluationError | None


@dataclass(frozen=True, slots=True)
class Step:
    """What one expression cost.

    Attributes:
        file: The module.
        row: Line, from 1.
        column: Column, from 1.
        index: Which expression of its body it is; the compiler makes several of some.
        negated: Whether it is a negation.
        inside: Which expression of Tabard's library it is, if it runs there on behalf of this one: ``file:line:column/index``.
        text: The expression, as it is written.
        evals: How often it was evaluated.
        solutions: How often it had a solution. An expression that iterates has several for one evaluation.
        ns: Nanoseconds of the processor until the next step.
    """

    file: str
    row: int
    column: int
    index: int
    negated: bool
    inside: str
    text: str
    evals: int
    solutions: int
    ns: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What an evaluation cost: nanoseconds of the processor with the measuring, its expressions, and why it has no result, if it has none."""

    ns: int
    steps: tuple[Step, ...]
    error: EvaluationError | None
