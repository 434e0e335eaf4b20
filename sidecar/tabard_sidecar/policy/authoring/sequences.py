"""Carries what a decided request left behind to the request after it, as the state store does for a task."""

from __future__ import annotations

from collections.abc import Mapping

from tabard_sidecar.model import PolicyDecision, Reason
from tabard_sidecar.policy.authoring.request_keys import BudgetKeys, CallKeys, RequestKeys
from tabard_sidecar.policy.catalogue import ToolSpec

CARRIED = ("budgets", "labels", "calls")
"""Keys that the requests of a sequence don't state: the requests before leave them behind."""

OF_ONE_CALL = frozenset(
    {"operation", "tool", "server", "arguments", "holder", "limits", "approvals", "context", "time"}
)
"""Keys that a request doesn't take over from the one before it; the others describe the task, which is the same."""

STEP_SECONDS = 60.0
"""Time between two requests of a sequence, if the later one states no time."""


def continued(keys: RequestKeys, before: RequestKeys, now: float) -> RequestKeys:
    """Return a request with what the one before left behind.

    Args:
        keys: the request.
        before: what :func:`left_behind` returned.
        now: time of the request before, in seconds since the epoch.
    """
    time = float(keys.time) if keys.time is not None else now + STEP_SECONDS
    passed = max(0.0, time - now)
    calls = [
        call.model_copy(update={"seconds_ago": call.seconds_ago + passed})
        for call in map(_as_call, before.calls)
    ]
    return keys.model_copy(
        update={"time": time, "calls": calls, "labels": before.labels, "budgets": before.budgets}
    )


def left_behind(keys: RequestKeys, decision: PolicyDecision, spec: ToolSpec | None) -> RequestKeys:
    """Return the keys of a request with the task's state after the decision; a denial changes nothing."""
    if not decision.allowed:
        return keys
    if keys.operation == "start_task":
        return keys.model_copy(update={"budgets": _granted(decision)})
    if keys.operation != "authorize":
        return keys
    labels = {
        *decision.task_labels,
        *decision.branch_labels,
        *(spec.labels if spec is not None else ()),
    }
    call = CallKeys(tool=keys.tool, labels=sorted(labels), seconds_ago=0)
    return keys.model_copy(
        update={
            "budgets": _charged(keys.budgets, decision.charges),
            "labels": sorted({*keys.labels, *labels}),
            "calls": [*keys.calls, call],
        }
    )


def reserved(keys: RequestKeys, decision: PolicyDecision, *, in_sequence: bool) -> PolicyDecision:
    """Return the decision after its charges were reserved: a denial if a budget of the request doesn't have that much left.

    Args:
        keys: the request.
        decision: what policy decided.
        in_sequence: whether the request's budgets are all that the task has.
    """
    if not decision.allowed:
        return decision
    for name, amount in decision.charges.items():
        budget = keys.budgets.get(name)
        if budget is not None and amount > budget.limit - budget.spent:
            message = f"budget {name!a} of {budget.limit} doesn't have that much left"
            return PolicyDecision(decision.revision, denials=(Reason("budget_exhausted", message),))
        if budget is None and amount and in_sequence:
            message = f"the call costs {amount} {name}, for which the task has no budget"
            return PolicyDecision(decision.revision, denials=(Reason("budget_not_granted", message),))
    return decision


def _as_call(call: str | CallKeys) -> CallKeys:
    return CallKeys(tool=call) if isinstance(call, str) else call


def _granted(decision: PolicyDecision) -> dict[str, BudgetKeys]:
    """Return the smallest limit of each budget that a started task has."""
    found: dict[str, int] = {}
    for limits in decision.limits:
        for name, limit in (limits.budgets or {}).items():
            found[name] = min(limit, found.get(name, limit))
    return {name: BudgetKeys(limit=limit) for name, limit in found.items()}


def _charged(budgets: Mapping[str, BudgetKeys], charges: Mapping[str, int]) -> dict[str, BudgetKeys]:
    return {
        name: budget.model_copy(update={"spent": budget.spent + charges.get(name, 0)})
        for name, budget in budgets.items()
    }
