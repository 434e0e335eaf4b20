"""The way of a tool call through the sidecar.

authenticate → verify grant → judge caveats → assemble input → evaluate → clamp → reserve → record intent → issue → commit

Whatever fails on the way ends in a deny (:class:`Refused`) or in no decision at all (:class:`NoDecision`); there is
no path from a failure to an allow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.grants import PlannedGrant, check_call, clamp_credential
from tabard_sidecar.interfaces import ToolSpec
from tabard_sidecar.model import (
    Agent,
    CredentialRequest,
    Decision,
    IssuedCredential,
    MetApproval,
    Operation,
    PolicyDecision,
)
from tabard_sidecar.pipeline.decision_codec import decode_decision, encode_decision
from tabard_sidecar.pipeline.early import EarlyCredential
from tabard_sidecar.pipeline.idempotency import IdempotencyStore
from tabard_sidecar.pipeline.recorder import DecisionRecorder, asked, new_id
from tabard_sidecar.pipeline.requests import AuthorizeRequest
from tabard_sidecar.pipeline.stages import Stages
from tabard_sidecar.state import TaskState
from tabard_sidecar.state.store import nothing

# How often policy is asked again because the task's labels changed meanwhile. Labels only grow, so this ends by itself.
_MOST_EVALUATIONS = 8


@dataclass(frozen=True, slots=True)
class _Checked:
    """A question whose caller, grant and caveats are in order, and what people have approved of it."""

    agent: Agent
    grant: PlannedGrant
    spec: ToolSpec | None
    standing: TaskState
    approvals: tuple[MetApproval, ...]


class Authorizer:
    """Decides about tool calls."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages

    async def authorize(self, question: AuthorizeRequest) -> Decision:
        """Decide about one tool call.

        Raises:
            NoDecision: no decision could be made.
        """
        began = perf_counter()
        trail = DecisionRecorder(
            self._stages.log,
            self._stages.clock,
            Operation.AUTHORIZE,
            b"",
            request_id=question.request_id,
        )
        replayed = False
        try:
            decision, replayed = await self._answer(question, trail)
        except Refused as refusal:
            decision = trail.refused(refusal)
        if not trail.input_json:
            call = question.call
            trail.input_json = asked(
                trail.operation,
                tool={"name": call.name, "server": call.server, "arguments": dict(call.arguments)},
            )
        with self._stages.observer.stage("commit"):
            await trail.close(decision, replayed=replayed)
        self._stages.observer.decided(Operation.AUTHORIZE, decision, perf_counter() - began)
        return decision

    async def _answer(self, question: AuthorizeRequest, trail: DecisionRecorder) -> tuple[Decision, bool]:
        checked = await self._check(question)
        if not question.request_id:
            return await self._decide(question, checked, trail), False

        async def decide() -> tuple[bytes, float | None]:
            decision = await self._decide(question, checked, trail)
            until = decision.credential.expires_at if decision.credential is not None else None
            return encode_decision(decision), until

        key = IdempotencyStore.key("authorize", checked.agent.id, checked.grant.digest, question.request_id)
        reply, replayed = await self._stages.replies.once(key, question.body_digest, decide)
        decision = decode_decision(reply)
        trail.decision_id = decision.decision_id
        trail.policy_revision = decision.policy_revision
        return decision, replayed

    async def _check(self, question: AuthorizeRequest) -> _Checked:
        stages = self._stages
        with stages.observer.stage("verify"):
            agent, grant = stages.verify_held(question.grant, question.discharges)
            spec = stages.known_tool(question.call)
            check_call(
                grant,
                question.call,
                now=stages.clock(),
                read_only=spec is not None and spec.read_only,
            )
            # After the caveats: whoever may not use the tool at all isn't told how.
            problem = spec.validate(question.call.arguments) if spec is not None else None
            if problem is not None:
                raise Refused("arguments_invalid", problem)
            standing = await stages.check_alive(agent, grant, remembered=not grant.third_parties)
            met: tuple[MetApproval, ...] = ()
            if grant.third_parties:
                met = await stages.approvals.met(grant, question.call, now=stages.clock())
        return _Checked(agent, grant, spec, standing, met)

    async def _decide(
        self, question: AuthorizeRequest, checked: _Checked, trail: DecisionRecorder
    ) -> Decision:
        policy = self._stages.policy
        for _ in range(_MOST_EVALUATIONS):
            if policy.reads_calls and not checked.standing.with_calls:
                # Reloaded since the task was looked up: this policy looks at what the last one didn't need.
                checked = await self._look_again(checked)
            decision = await self._attempt(question, checked, trail)
            if decision is not None:
                return decision
            # The task isn't as policy saw it, or may not be.
            checked = await self._look_again(checked)
        raise NoDecision(
            "ABORTED", "state_contended", "the task's labels change faster than policy can be asked"
        )

    async def _attempt(
        self, question: AuthorizeRequest, checked: _Checked, trail: DecisionRecorder
    ) -> Decision | None:
        """Decide on how the task stands; ``None`` if it stands otherwise."""
        # Of the policy that is asked now; another may be active when the call is reserved.
        reads_history = self._stages.policy.reads_history
        verdict = await self._evaluate(question, checked, trail)
        # Only a reservation shows whether what is remembered is still so.
        uncertain = checked.standing.remembered
        if not verdict.allowed:
            return None if uncertain else await self._deny(question, checked, verdict, trail)
        try:
            request = self._request(question, checked, verdict, trail)
            credential = EarlyCredential(self._stages.issuers, request) if request is not None else None
            reserved = await self._reserve(
                question, checked, verdict, trail, credential=credential, reads_history=reads_history
            )
        except Refused:
            if not uncertain:
                raise
            return None
        if not reserved:
            return None
        return await self._allow(checked, verdict, credential, trail)

    async def _look_again(self, checked: _Checked) -> _Checked:
        standing = await self._stages.check_alive(checked.agent, checked.grant)
        return replace(checked, standing=standing)

    async def _evaluate(
        self, question: AuthorizeRequest, checked: _Checked, trail: DecisionRecorder
    ) -> PolicyDecision:
        stages = self._stages
        trail.input_json = stages.inputs.authorize(
            checked.agent,
            checked.grant,
            question.call,
            checked.spec,
            asserted=question.context,
            standing=checked.standing,
            approvals=checked.approvals,
            now=stages.clock(),
        )
        with stages.observer.stage("evaluate"):
            verdict = await stages.policy.decide(
                Operation.AUTHORIZE,
                trail.input_json,
                key=question.call.name,
                approvals=frozenset((met.module, met.code) for met in checked.approvals),
            )
        trail.policy_revision = verdict.revision
        return verdict

    async def _deny(
        self, question: AuthorizeRequest, checked: _Checked, verdict: PolicyDecision, trail: DecisionRecorder
    ) -> Decision:
        denied = trail.deny(*verdict.denials)
        if not verdict.asks:
            return denied
        stages = self._stages
        waiting = await stages.approvals.ask(
            question.grant, checked.grant, checked.agent, question.call, verdict.asks, now=stages.clock()
        )
        trail.effects["approvals_asked"] = [pending.approval_id for pending in waiting]
        return replace(denied, approvals=waiting)

    async def _reserve(  # noqa: PLR0913 - what is taken, and what it depends on
        self,
        question: AuthorizeRequest,
        checked: _Checked,
        verdict: PolicyDecision,
        trail: DecisionRecorder,
        *,
        credential: EarlyCredential | None,
        reads_history: bool,
    ) -> bool:
        stages = self._stages
        with stages.observer.stage("reserve"):
            reserved = await stages.ledger.reserve(
                checked.grant,
                verdict,
                checked.standing,
                decision_id=trail.decision_id,
                tool=question.call.name,
                spec=checked.spec,
                approvals=checked.approvals,
                reads_history=reads_history,
                audience=credential.request.audience if credential is not None else "",
                meanwhile=credential.compute if credential is not None else nothing,
            )
        if not reserved:
            return False
        if verdict.charges:
            trail.effects["charges"] = dict(verdict.charges)
        returned = checked.spec.labels if checked.spec is not None else ()
        if labels := {*verdict.task_labels, *verdict.branch_labels, *returned}:
            trail.effects["labels"] = sorted(labels)
        if checked.approvals:
            trail.effects["approvals"] = [met.approval_id for met in checked.approvals]
        return True

    async def _allow(
        self,
        checked: _Checked,
        verdict: PolicyDecision,
        early: EarlyCredential | None,
        trail: DecisionRecorder,
    ) -> Decision:
        credential = None
        if early is not None:
            try:
                credential = await self._issue(early, trail)
            except BaseException:
                # Nothing was issued, so nothing was taken; if this fails, too, the charge stays.
                await self._stages.ledger.release(trail.decision_id, checked.grant)
                for taken in ("charges", "approvals"):
                    trail.effects.pop(taken, None)
                raise
        return Decision(
            trail.decision_id,
            allowed=True,
            reasons=verdict.granted_by,
            policy_revision=verdict.revision,
            credential=credential,
            obligations=verdict.obligations,
            reusable=verdict.reuse and credential is not None and not credential.single_use,
        )

    def _request(
        self, question: AuthorizeRequest, checked: _Checked, verdict: PolicyDecision, trail: DecisionRecorder
    ) -> CredentialRequest | None:
        """Return what to issue, narrowed to the grant; ``None`` if policy wants no credential."""
        template = verdict.credential
        if template is None or template.kind == "none":
            if question.scopes:
                raise Refused("scope_not_granted", "scopes were asked for and policy grants no credential")
            return None
        now = self._stages.clock()
        audience, scopes, expires_at = clamp_credential(checked.grant, template, question.scopes, now)
        return CredentialRequest(
            credential_id=new_id(),
            decision_id=trail.decision_id,
            kind=template.kind,
            audience=audience,
            scopes=scopes,
            issued_at=now,
            expires_at=expires_at,
            single_use=template.single_use,
            role=template.role,
            agent=checked.agent,
            grant=checked.grant,
            call=question.call,
        )

    async def _issue(self, credential: EarlyCredential, trail: DecisionRecorder) -> IssuedCredential:
        with self._stages.observer.stage("record"):
            await trail.intend(credential.request)
        with self._stages.observer.stage("issue"):
            return await credential.issue()
