"""Evaluates policy on one reading of the task's state, and narrows what it grants to the grant."""

from __future__ import annotations

from typing import NamedTuple

from tabard_sidecar.errors import Refused
from tabard_sidecar.model import Operation, PolicyDecision
from tabard_sidecar.pipeline.issuing import PendingCredential
from tabard_sidecar.pipeline.recorder import DecisionRecorder
from tabard_sidecar.pipeline.requests import VerifiedCall
from tabard_sidecar.pipeline.reservations import check_budgets_granted
from tabard_sidecar.pipeline.stages import Stages, evaluate
from tabard_sidecar.state import TaskState


class Proposal(NamedTuple):
    """What policy wants on one reading of the task's state.

    ``refusal`` is set if the grant doesn't allow what policy grants; ``credential`` if the call needs one.
    """

    policy: PolicyDecision
    credential: PendingCredential | None = None
    refusal: Refused | None = None

    @property
    def allowed(self) -> bool:
        """True if nothing but the reservation can refuse the call."""
        return self.policy.allowed and self.refusal is None


async def propose(
    stages: Stages, call: VerifiedCall, state: TaskState, recorder: DecisionRecorder
) -> Proposal:
    """Return what policy wants on a state of the call's task.

    Raises:
        NoDecision: policy couldn't be evaluated.
    """
    asked, parts = stages.inputs.authorize(call, state, now=stages.clock())
    decision = await evaluate(
        call.policy,
        Operation.AUTHORIZE,
        asked,
        recorder,
        stages.observer,
        approvals=frozenset([(met.module, met.code) for met in call.approvals]),
        parts=parts,
    )
    if not decision.allowed:
        return Proposal(_observed(stages, call, state, decision, recorder))
    try:
        check_budgets_granted(call.grant, decision)
        return Proposal(decision, _credential(stages, call, state, decision, recorder))
    except Refused as refused:
        return Proposal(decision, refusal=refused)


def _observed(
    stages: Stages, call: VerifiedCall, state: TaskState, denial: PolicyDecision, recorder: DecisionRecorder
) -> PolicyDecision:
    """Return the denial, or with what a call is made all the same in a namespace that is observed."""
    found = None if state.cached else stages.observing.let_through(call, state, denial)
    if found is None:
        return denial
    recorder.observed(denial.denials)
    return found


def _credential(
    stages: Stages, call: VerifiedCall, state: TaskState, decision: PolicyDecision, recorder: DecisionRecorder
) -> PendingCredential | None:
    """Prepare the credential; ``None`` if policy grants the call without one."""
    template, scopes = decision.credential, call.request.scopes
    if template is None or template.kind == "none":
        if scopes:
            raise Refused("scope_not_granted", "scopes were asked for and policy grants no credential")
        return None
    return stages.issuance.prepare(call, template, scopes, recorder.decision_id, labels=state.labels)
