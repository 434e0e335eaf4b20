"""Decides about tool calls.

authenticate → verify grant → read arguments → check caveats → read task state → assemble input → evaluate → clamp → reserve →
issue → record → reply

Every failure of a stage ends in a deny (:class:`Refused`) or in no decision (:class:`NoDecision`); no path
leads from a failure to an allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from tabard_sidecar.errors import Refused
from tabard_sidecar.grants import IndexedGrant, check_expiry
from tabard_sidecar.interfaces import Together
from tabard_sidecar.model import (
    Agent,
    Ask,
    Decision,
    Operation,
    PendingApproval,
    PolicyDecision,
    ToolCall,
)
from tabard_sidecar.pipeline.idempotency import request_key
from tabard_sidecar.pipeline.issuing import PendingCredential
from tabard_sidecar.pipeline.recorder import Answer, DecisionRecorder, asked_json, unread
from tabard_sidecar.pipeline.requests import AuthorizeRequest, VerifiedCall
from tabard_sidecar.pipeline.reservations import (
    MOST_EVALUATIONS,
    check_budgets_granted,
    contended,
    refusal,
)
from tabard_sidecar.pipeline.stages import Stages, evaluate, reserve
from tabard_sidecar.pipeline.task_states import TaskStateReader
from tabard_sidecar.pipeline.turns import Turns
from tabard_sidecar.state import ReserveState, TaskState
from tabard_sidecar.util.whole import whole


class _Proposal(NamedTuple):
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


class Authorizer:
    """Decides about tool calls."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._turns = Turns()

    def together(self) -> Together:
        """Return a context for the calls of one batch: what people have to approve of it, they are shown as lists."""
        return self._stages.approvals.together()

    async def authorize(self, request: AuthorizeRequest) -> Decision:
        """Decide about one tool call.

        Raises:
            NoDecision: no decision could be made.
        """
        answer = await self._stages.decisions.run(
            Operation.AUTHORIZE,
            partial(self._answer, request),
            asked=partial(_asked, request),
            request_id=request.request_id,
        )
        return answer.decision

    async def _answer(self, request: AuthorizeRequest, recorder: DecisionRecorder) -> Answer:
        """Verify the request and decide about it, unless its request_id was answered before."""
        stages = self._stages
        with stages.observer.stage("verify"):
            agent, grant = self._verify(request)
            recorder.verified(agent, grant=grant, tool=request.tool)
            asked = await stages.calls.read(request)
            recorder.read(partial(_read, asked.tool))
            spec = await stages.check_tool(grant, asked.tool, now=stages.clock())
        with stages.policy.lease() as policy:
            call = VerifiedCall(request, asked.tool, asked.context, agent, grant, spec, policy)
            reader = stages.task_states.reader(agent, grant, with_calls=policy.reads_calls)
            state = await reader.read()
            if grant.third_parties:
                approvals = await stages.approvals.met(grant, call.tool, now=stages.clock())
                call = call._replace(approvals=approvals)
            decide = partial(self._decide, call, reader, state, recorder)
            if not request.request_id:
                return await decide()
            # What an edge got isn't repeated to an agent.
            key = request_key(f"authorize-{request.delivery}", agent.id, grant.digest, request.request_id)
            answer = await stages.idempotency.once(key, request.body_digest(), decide, recorder.keeps)
            if answer.replayed and state.cached:
                # No reservation confirms a stored answer, so the task is looked up.
                await reader.read()
            repeated = answer.decision.credential if answer.replayed else None
            if repeated is not None:
                await stages.revocations.check_issued(
                    repeated.credential_id, grant.holder_id, now=stages.clock()
                )
            return answer

    def _verify(self, request: AuthorizeRequest) -> tuple[Agent, IndexedGrant]:
        """Check who asks, the grant and its expiry: only after that is anything read that a caller pays nothing for."""
        stages = self._stages
        agent, grant = stages.verify_held(request.grant, request.discharges)
        check_expiry(grant, now=stages.clock())
        return agent, grant

    async def _decide(
        self, call: VerifiedCall, reader: TaskStateReader, state: TaskState, recorder: DecisionRecorder
    ) -> Answer:
        """Decide on the task's state, and again as long as it changes meanwhile.

        Calls that change it all the time, because each of them notes a fact, would hinder each other without end: from the
        second evaluation on, the calls of a task take turns, and a call that comes meanwhile waits for its own.
        """
        root_id = call.grant.root_id
        if not self._turns.taken(root_id):
            answer = await self._decide_once(call, state, recorder)
            if answer is not None:
                return answer
        async with self._turns.take(root_id):
            for _ in range(MOST_EVALUATIONS):
                answer = await self._decide_once(call, await reader.read(), recorder)
                if answer is not None:
                    return answer
        raise contended()

    async def _decide_once(
        self, call: VerifiedCall, state: TaskState, recorder: DecisionRecorder
    ) -> Answer | None:
        """Decide on a state of the task; ``None`` if it isn't the present one.

        A cached state can only lead to an allow, which reserving confirms.
        """
        proposal = await self._propose(call, state, recorder)
        if not proposal.allowed:
            if state.cached:
                return None
            observed = None if proposal.refusal else self._observed(call, state, proposal, recorder)
            if observed is None:
                return Answer(await self._deny(call, proposal, recorder))
            proposal = observed
        reserved = await reserve(self._stages, call, state, proposal.policy, proposal.credential, recorder)
        if reserved.state is ReserveState.DONE:
            return Answer(await self._allow(proposal, recorder))
        if reserved.state is not ReserveState.CHANGED and not state.cached:
            raise refusal(call.grant, reserved)
        return None

    async def _propose(self, call: VerifiedCall, state: TaskState, recorder: DecisionRecorder) -> _Proposal:
        """Evaluate policy and narrow what it grants to the grant."""
        stages = self._stages
        decision = await evaluate(
            call.policy,
            Operation.AUTHORIZE,
            stages.inputs.authorize(call, state, now=stages.clock()),
            recorder,
            stages.observer,
            approvals=frozenset([(met.module, met.code) for met in call.approvals]),
        )
        if not decision.allowed:
            return _Proposal(decision)
        try:
            check_budgets_granted(call.grant, decision)
            return _Proposal(decision, self._credential(call, state, decision, recorder))
        except Refused as refused:
            return _Proposal(decision, refusal=refused)

    def _observed(
        self, call: VerifiedCall, state: TaskState, proposal: _Proposal, recorder: DecisionRecorder
    ) -> _Proposal | None:
        """Return how a call is made that policy denies in a namespace that is observed; ``None`` if it isn't made."""
        found = self._stages.observing.let_through(call, state, proposal.policy)
        if found is None:
            return None
        recorder.observed(proposal.policy.denials)
        return _Proposal(found)

    def _credential(
        self, call: VerifiedCall, state: TaskState, decision: PolicyDecision, recorder: DecisionRecorder
    ) -> PendingCredential | None:
        """Prepare the credential; ``None`` if policy grants the call without one."""
        template, scopes = decision.credential, call.request.scopes
        if template is None or template.kind == "none":
            if scopes:
                raise Refused("scope_not_granted", "scopes were asked for and policy grants no credential")
            return None
        return self._stages.issuance.prepare(
            call, template, scopes, recorder.decision_id, labels=state.labels
        )

    async def _allow(self, proposal: _Proposal, recorder: DecisionRecorder) -> Decision:
        """Issue the credential and allow. If issuing fails, what was taken is released with the record of that."""
        policy, credential = proposal.policy, None
        if proposal.credential is not None:
            credential = await proposal.credential.issue(recorder, self._stages.observer)
        return recorder.allow(
            policy.granted_by,
            credential=credential,
            obligations=policy.obligations,
            reusable=policy.reuse and credential is not None and not credential.uses,
        )

    async def _deny(self, call: VerifiedCall, proposal: _Proposal, recorder: DecisionRecorder) -> Decision:
        """Deny, and request the approvals that policy requires."""
        if proposal.refusal is not None:
            raise proposal.refusal
        denied = recorder.deny(*proposal.policy.denials)
        if not proposal.policy.asks:
            return denied
        recorder.begin()
        return replace(denied, approvals=await whole(self._ask(call, proposal.policy.asks, recorder)))

    async def _ask(
        self, call: VerifiedCall, asks: Sequence[Ask], recorder: DecisionRecorder
    ) -> tuple[PendingApproval, ...]:
        stages, request = self._stages, call.request
        pending = await stages.approvals.ask(
            request.grant,
            call.grant,
            call.agent,
            call.tool,
            asks,
            known_tool=call.spec is not None,
            now=stages.clock(),
            together=request.together,
        )
        recorder.asked_for([approval.approval_id for approval in pending])
        return pending


def _asked(request: AuthorizeRequest) -> bytes:
    """Return what is recorded of a request whose grant doesn't verify: strangers can send any number of those."""
    tool = {"name": request.tool, "server": request.server, **unread(request.arguments_json)}
    return asked_json(Operation.AUTHORIZE, tool=tool)


def _read(call: ToolCall) -> bytes:
    tool = {"name": call.name, "server": call.server, "arguments": dict(call.arguments)}
    return asked_json(Operation.AUTHORIZE, tool=tool)
