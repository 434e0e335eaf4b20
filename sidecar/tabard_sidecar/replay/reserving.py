"""Says whether a task has enough left for what policy allows, as reserving does in a sidecar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabard_sidecar.model import PolicyDecision
from tabard_sidecar.policy.authoring.facts import as_facts, facts_full
from tabard_sidecar.replay.verdict import Verdict, refused


def reserved(decision: PolicyDecision, document: Mapping[str, Any], verdict: Verdict) -> Verdict | None:
    """Return the denial of a call for which the task has too little left; ``None`` if it has enough."""
    if not verdict.allowed:
        return None
    for name, amount in verdict.charges.items():
        budget = document["budgets"].get(name)
        if budget is None:
            return refused("budget_not_granted")
        if amount > budget["remaining"]:
            return refused("budget_exhausted")
    if decision.notes is not None:
        facts = as_facts(document["task"].get("facts", {}))
        if facts_full(facts.joined(decision.notes.task).joined(decision.notes.branch)):
            return refused("facts_exceeded")
    return None
