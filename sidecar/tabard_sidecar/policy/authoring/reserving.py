"""Says whether a task has enough left for what policy allows, as reserving does in a sidecar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tabard.caveats import Limits

from tabard_sidecar.facts import Facts
from tabard_sidecar.model import PolicyDecision
from tabard_sidecar.policy.authoring.facts import facts_full
from tabard_sidecar.reasons import ReasonCode


def lacking(
    decision: PolicyDecision, left: Mapping[str, int], facts: Facts, *, complete: bool = True
) -> tuple[ReasonCode, str] | None:
    """Return why an allowed call can't be reserved, and the budget or fact that it is about; ``None`` if it can.

    Args:
        decision: what policy allowed.
        left: what is left of each budget.
        facts: those of the task.
        complete: whether ``left`` has all budgets of the task; otherwise one that isn't there is enough.
    """
    for name, amount in decision.charges.items():
        if name in left:
            if amount > left[name]:
                return "budget_exhausted", name
        elif amount and complete:
            return "budget_not_granted", name
    notes = decision.notes
    full = facts_full(facts.joined(notes.task).joined(notes.branch)) if notes is not None else ""
    return ("facts_exceeded", full) if full else None


def granted_budgets(limits: Iterable[Limits]) -> dict[str, int]:
    """Return the smallest limit of each budget that a started task has."""
    found: dict[str, int] = {}
    for one in limits:
        for name, limit in (one.budgets or {}).items():
            found[name] = min(limit, found.get(name, limit))
    return found
