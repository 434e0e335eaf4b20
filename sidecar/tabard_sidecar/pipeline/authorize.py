"""Decides about tool calls.

authenticate → verify grant → read arguments → check caveats → read task state → assemble input → evaluate → clamp → reserve →
issue → record → reply

Every failure of a stage ends in a deny (:class:`Refused`) or in no decision (:class:`NoDecision`); no path
leads from a failure to an allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from tabard_sidecar.grants import IndexedGrant, check_expiry
from tabard_sidecar.interfaces import Together
from tabard_sidecar.model import (
    Agent,
    Ask,
    Decision,
    Operation,
    PendingApproval,
    ToolCall,
)
from tabard_sidecar.pipeline.idempotency import request_key
from tabard_sidecar.pipeline.proposing import Proposal, propose
from tabard_sidecar.pipeline.recorder import Answer, DecisionRecorder, asked_json, unread
from tabard_sidecar.pipeline.requests import AuthorizeRequest, VerifiedCall
from tabard_sidecar.pipeline.reservations import MOST_EVALUATIONS, contended, refusal
from tabard_sidecar.pipeline.stages import Stages, reserve
from tabard_sidecar.pipeline.task_states import TaskStateReader
from tabard_sidecar.pipeline.turns import Turns
from tabard_sidecar.state import Reserved, ReserveState, TaskState
from tabard_sidecar.util.whole import whole


class _StateChanged(Exception):
    """The state that a call was decided on isn't the task's present one: it is decided on that one."""


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
            paced=request.paced,
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
        if request.paced:
            await recorder.pause()
            check_expiry(grant, now=stages.clock())  # Others may have waited for a store meanwhile.
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

        Calls that change it all the time, because each of them notes a fact, would hinder each other without end: once a
        state that was looked up has changed, the calls of a task take turns, and a call that comes meanwhile waits for its
        own. A cached state that is out of date hinders no other call.
        """
        root_id = call.grant.root_id
        if not self._turns.taken(root_id):
            with suppress(_StateChanged):
                return await self._decide_on(call, state, recorder, paced=call.request.paced)
            if state.cached:
                with suppress(_StateChanged):
                    return await self._decide_on(call, await reader.read(), recorder)
        async with self._turns.take(root_id):
            for _ in range(MOST_EVALUATIONS):
                with suppress(_StateChanged):
                    return await self._decide_on(call, await reader.read(), recorder)
        raise contended()

    async def _decide_on(
        self, call: VerifiedCall, state: TaskState, recorder: DecisionRecorder, *, paced: bool = False
    ) -> Answer:
        """Decide on a state of the task.

        A cached state can only lead to an allow, which reserving confirms.

        Raises:
            _StateChanged: it isn't the present one, or only the present one can say.
        """
        proposal = await propose(self._stages, call, state, recorder)
        if not proposal.allowed:
            if state.cached:
                raise _StateChanged
            return Answer(await self._deny(call, proposal, recorder))
        reserved = await reserve(self._stages, call, state, proposal.policy, proposal.credential, recorder)
        if reserved.state is ReserveState.DONE:
            if paced and _signs_only(proposal, reserved) and not recorder.answer_is_stored:
                await recorder.pause()
            return Answer(await self._allow(proposal, recorder))
        if reserved.state is ReserveState.CHANGED or state.cached:
            raise _StateChanged
        raise refusal(call.grant, reserved)

    async def _allow(self, proposal: Proposal, recorder: DecisionRecorder) -> Decision:
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

    async def _deny(self, call: VerifiedCall, proposal: Proposal, recorder: DecisionRecorder) -> Decision:
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


def _signs_only(proposal: Proposal, reserved: Reserved) -> bool:
    """Tell whether what is left of an allowed call is to compute its credential: nothing was written that calls after it see."""
    return not reserved.epoch and proposal.credential is not None and proposal.credential.computes


def _asked(request: AuthorizeRequest) -> bytes:
    """Return what is recorded of a request whose grant doesn't verify: strangers can send any number of those."""
    tool = {"name": request.tool, "server": request.server, **unread(request.arguments_json)}
    return asked_json(Operation.AUTHORIZE, tool=tool)


def _read(call: ToolCall) -> bytes:
    tool = {"name": call.name, "server": call.server, "arguments": dict(call.arguments)}
    return asked_json(Operation.AUTHORIZE, tool=tool)
