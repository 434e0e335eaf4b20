"""Carries what a decided request left behind to the request after it, as the state store does for a task."""

from __future__ import annotations

from collections.abc import Mapping

from tabard_sidecar.facts import NO_FACTS, Facts, Notes
from tabard_sidecar.model import PolicyDecision, Reason
from tabard_sidecar.policy.authoring.facts import Stated, as_facts
from tabard_sidecar.policy.authoring.request_keys import BudgetKeys, CallKeys, OutcomeKeys, RequestKeys
from tabard_sidecar.policy.authoring.reserving import granted_budgets, lacking
from tabard_sidecar.policy.catalogue import ToolSpec

CARRIED = ("budgets", "labels", "calls", "facts")
"""Keys that the requests of a sequence don't state: the requests before leave them behind."""

OF_ONE_CALL = frozenset(
    {"operation", "tool", "server", "arguments", "holder", "limits", "approvals", "context", "time"}
)
"""Keys that a request doesn't take over from the one before it; the others describe the task, which is the same."""

_NOT_AT_START = ("tool", "server", "arguments", "holder", "limits", "approvals", "context", "hops")

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
        update={
            "time": time,
            "calls": calls,
            "labels": before.labels,
            "budgets": before.budgets,
            "facts": before.facts,
        }
    )


def left_behind(
    keys: RequestKeys, decision: PolicyDecision, spec: ToolSpec | None, outcome: OutcomeKeys | None = None
) -> RequestKeys:
    """Return the keys of a request with the task's state after the decision; a denial changes nothing.

    Args:
        keys: the request.
        decision: what policy decided, after :func:`reserved`.
        spec: the catalogue's entry for the tool.
        outcome: what the backend then signs.
    """
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
            "facts": _noted(keys, decision.notes, outcome).as_json(),
        }
    )


def starting(keys: RequestKeys) -> RequestKeys:
    """Return the request that starts the task in which ``keys`` asks: the same person, workload and words."""
    nothing = {name: RequestKeys.model_fields[name].get_default() for name in (*CARRIED, *_NOT_AT_START)}
    return keys.model_copy(update={**nothing, "operation": "start_task"})


def with_facts_of(keys: RequestKeys, facts: Stated) -> RequestKeys:
    """Return the request of a task that has these facts, too."""
    return keys.model_copy(update={"facts": as_facts(keys.facts).joined(as_facts(facts)).as_json()})


def with_budgets(keys: RequestKeys, started: PolicyDecision) -> RequestKeys:
    """Return the request with the budgets that a task has which was started by a decision; none if it was denied."""
    return keys.model_copy(update={"budgets": _granted(started) if started.allowed else {}})


def reserved(keys: RequestKeys, decision: PolicyDecision, *, in_sequence: bool) -> PolicyDecision:
    """Return the decision after its charges and facts were reserved: a denial if there isn't that much left.

    Args:
        keys: the request.
        decision: what policy decided.
        in_sequence: whether the request's budgets are all that the task has.
    """
    if not decision.allowed:
        return decision
    left = {name: budget.limit - budget.spent for name, budget in keys.budgets.items()}
    lack = lacking(decision, left, as_facts(keys.facts), complete=in_sequence)
    if lack is None:
        return decision
    code, name = lack
    if code == "budget_exhausted":
        message = f"budget {name!a} of {keys.budgets[name].limit} doesn't have that much left"
    elif code == "budget_not_granted":
        message = f"the call costs {decision.charges[name]} {name}, for which the task has no budget"
    else:
        message = f"the task has no room for another fact under {name!a}"
    return PolicyDecision(decision.revision, denials=(Reason(code, message),))


def _noted(keys: RequestKeys, notes: Notes | None, outcome: OutcomeKeys | None) -> Facts:
    """Return the facts after a call: a failed one leaves none behind, another those of its grant and of its backend."""
    facts = as_facts(keys.facts)
    if notes is None or (outcome is not None and outcome.failed):
        return facts
    signed = as_facts(outcome.facts) if outcome is not None else NO_FACTS
    return facts.joined(notes.task).joined(notes.branch).joined(signed)


def _as_call(call: str | CallKeys) -> CallKeys:
    return CallKeys(tool=call) if isinstance(call, str) else call


def _granted(decision: PolicyDecision) -> dict[str, BudgetKeys]:
    """Return the budgets of a started task."""
    return {name: BudgetKeys(limit=limit) for name, limit in granted_budgets(decision.limits).items()}


def _charged(budgets: Mapping[str, BudgetKeys], charges: Mapping[str, int]) -> dict[str, BudgetKeys]:
    return {
        name: budget.model_copy(update={"spent": budget.spent + charges.get(name, 0)})
        for name, budget in budgets.items()
    }
