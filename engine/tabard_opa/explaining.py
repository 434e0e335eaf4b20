"""Describes explained evaluations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tabard_opa.errors import EvaluationError

#: Detail of an explanation.
Mode = Literal["full", "fails", "notes", "conditions"]


@dataclass(frozen=True, slots=True)
class Clause:
    """How far one clause of an explained rule came.

    Attributes:
        rule: The rule's reference, such as ``data.policy.refunds.grant``.
        file: The module.
        row: Where the clause begins, from 1.
        matched: Whether all its conditions held.
        failed: The condition that stopped it, as it is written; of a clause that iterates, the last one that any
            iteration reached. Empty if the clause matched, or if its parameters didn't fit.
        at: The line of that condition, from 1; 0 if there is none.
        negated: Whether that condition is a negation. Then the clauses of its helpers are those that matched.
        values: Names and parts of that condition with their values as JSON; long ones are cut.
        helpers: How far the clauses came that made the condition fail.
        branch: Which branch of a rule with ``else`` this is, from 1; 0 if the rule has none.
    """

    rule: str
    file: str
    row: int
    matched: bool
    failed: str
    at: int
    negated: bool = False
    values: tuple[tuple[str, str], ...] = ()
    helpers: tuple[Clause, ...] = ()
    branch: int = 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """An explained evaluation: its result or error, OPA's trace, and in the mode ``conditions`` the rule's clauses."""

    result: Any
    error: EvaluationError | None
    trace: str
    clauses: tuple[Clause, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """The values of one expression: none if it is undefined, several if it iterates.

    Attributes:
        values: The values that differ, in Rego's order.
        more: Whether there are more.
        error: What ended the evaluation.
        clauses: How far the clauses came of the rules that the expression names.
    """

    values: tuple[Any, ...]
    more: bool
    error: EvaluationError | None
    clauses: tuple[Clause, ...]


def clauses_of(told: list[dict[str, Any]] | None) -> tuple[Clause, ...]:
    """Return the clauses that the engine tells of."""
    return tuple(
        Clause(
            **{
                **one,
                "values": tuple((value["name"], value["value"]) for value in one["values"] or ()),
                "helpers": clauses_of(one["helpers"]),
            }
        )
        for one in told or ()
    )
