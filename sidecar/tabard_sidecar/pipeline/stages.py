"""The components of the pipelines, and the checks that they share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tabard_sidecar.credentials import Issuers
from tabard_sidecar.errors import Refused
from tabard_sidecar.grants import GrantService, IndexedGrant, check_call
from tabard_sidecar.interfaces import (
    AgentIdentitySource,
    Approvals,
    ArgumentChecker,
    Catalogue,
    Clock,
    InputParts,
    LeasedPolicy,
    Observer,
    PolicyRuntime,
    Revocations,
    ToolSpec,
)
from tabard_sidecar.model import Agent, Operation, PolicyDecision, ToolCall
from tabard_sidecar.pipeline.changes import ChangeRecorder
from tabard_sidecar.pipeline.idempotency import IdempotencyStore
from tabard_sidecar.pipeline.issuing import CredentialIssuance, PendingCredential
from tabard_sidecar.pipeline.observing import Observing
from tabard_sidecar.pipeline.policy_input import PolicyInput
from tabard_sidecar.pipeline.reading import CallReader
from tabard_sidecar.pipeline.recorder import DecisionRecorder
from tabard_sidecar.pipeline.requests import VerifiedCall
from tabard_sidecar.pipeline.reservations import Reservations, task_labels
from tabard_sidecar.pipeline.runner import DecisionRunner
from tabard_sidecar.pipeline.task_states import TaskStates
from tabard_sidecar.state import Reserved, ReserveState, StateStore, TaskState
from tabard_sidecar.util.json_parts import JsonText
from tabard_sidecar.util.lean import dataclass


@dataclass(frozen=True, slots=True)
class Stages:
    """The components that a request passes through."""

    decisions: DecisionRunner
    changes: ChangeRecorder
    agent: AgentIdentitySource
    grants: GrantService
    catalogue: Catalogue
    calls: CallReader
    arguments: ArgumentChecker
    task_states: TaskStates
    revocations: Revocations
    approvals: Approvals
    idempotency: IdempotencyStore
    inputs: PolicyInput
    policy: PolicyRuntime
    observing: Observing
    reservations: Reservations
    issuers: Issuers
    issuance: CredentialIssuance
    state: StateStore
    observer: Observer
    clock: Clock

    def verify_held(self, grant: str, discharges: Sequence[str] = ()) -> tuple[Agent, IndexedGrant]:
        """Verify a grant, and check that this workload is its holder.

        Raises:
            Refused: the grant doesn't verify or is held by another workload.
            NoDecision: this sidecar has no identity.
        """
        agent = self.agent.current()
        if not grant:
            raise Refused("grant_missing", "the request carries no grant")
        verified = self.grants.verify(grant, discharges)
        if verified.holder != agent.id:
            raise Refused(
                "holder_mismatch", f"the grant is held by {verified.holder}, this workload is {agent.id}"
            )
        return agent, verified

    def known_tool(self, call: ToolCall) -> ToolSpec | None:
        """Look a tool up in the catalogue.

        Raises:
            Refused: the catalogue doesn't know the tool, and the configuration requires it.
        """
        spec = self.catalogue.lookup(call.name, call.server)
        if spec is None and self.catalogue.required:
            raise Refused("tool_unknown", f"the catalogue doesn't know the tool {call.name!a}")
        return spec

    async def check_tool(self, grant: IndexedGrant, call: ToolCall, *, now: float) -> ToolSpec | None:
        """Check a call against the grant's caveats and the catalogue, and return the catalogue's entry.

        Raises:
            Refused: a caveat isn't met, the tool is unknown, or the arguments don't fit its schema.
        """
        spec = self.known_tool(call)
        check_call(grant, call, now=now, read_only=spec is not None and spec.read_only)
        # After the caveats, so that the schema isn't revealed to callers who may not use the tool.
        fault = await self.arguments.fault(spec, call) if spec is not None else None
        if fault is not None:
            raise Refused("arguments_invalid", fault.message, argument=fault.argument)
        return spec


async def evaluate(  # noqa: PLR0913
    policy: LeasedPolicy,
    operation: Operation,
    asked: JsonText,
    recorder: DecisionRecorder,
    observer: Observer,
    *,
    approvals: frozenset[tuple[str, str]] = frozenset(),
    parts: InputParts | None = None,
) -> PolicyDecision:
    """Evaluate policy on an input, which the record gets.

    ``approvals`` and ``parts`` are those of :meth:`LeasedPolicy.decide`.

    Raises:
        NoDecision: the engine can't be reached or is overloaded.
    """
    recorder.evaluating(asked, policy.revision)
    with observer.stage("evaluate"):
        return await policy.decide(operation, asked.text, approvals=approvals, parts=parts)


async def reserve(  # noqa: PLR0913, PLR0917
    stages: Stages,
    call: VerifiedCall,
    state: TaskState,
    decision: PolicyDecision,
    credential: PendingCredential | None,
    recorder: DecisionRecorder,
) -> Reserved:
    """Reserve charges, labels and approvals of a call, which the record gets.

    If no answer is given after that, the recorder releases them.

    Raises:
        Refused: the store has lost acknowledged writes.
        NoDecision: the store is out of reach, or the decision log can't be written.
    """
    reservations = stages.reservations
    recorder.take(
        partial(reservations.release, recorder.decision_id, call.grant),
        charges=decision.charges,
        task_labels=task_labels(call, decision),
        branch_labels=decision.branch_labels,
        approvals=[met.approval_id for met in call.approvals],
        notes=decision.notes,
    )
    with stages.observer.stage("reserve"):
        reserved = await reservations.reserve(call, state, decision, recorder.decision_id, credential)
    if reserved.state is ReserveState.DONE:
        recorder.taken.took()
    else:
        recorder.taken.took_nothing()
    return reserved
