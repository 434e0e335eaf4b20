"""The way of a tool call through the sidecar.

authenticate → verify grant → judge caveats → assemble input → evaluate → clamp → record intent → issue → commit

Whatever fails on the way ends in a deny (:class:`Refused`) or in no decision at all (:class:`Unanswerable`); there is
no path from a failure to an allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from tabard_sidecar.decision_codec import decode_decision, encode_decision
from tabard_sidecar.grants import clamp_credential, judge_call
from tabard_sidecar.interfaces import ToolSpec
from tabard_sidecar.model import (
    Agent,
    CredentialRequest,
    Decision,
    IssuedCredential,
    Operation,
    PolicyDecision,
    VerifiedGrant,
)
from tabard_sidecar.questions import AuthorizeQuestion
from tabard_sidecar.refusal import Refused
from tabard_sidecar.replies import Replies
from tabard_sidecar.stages import Stages
from tabard_sidecar.trail import Trail, asked, new_id


@dataclass(frozen=True, slots=True)
class _Checked:
    """A question whose caller, grant and caveats are in order."""

    agent: Agent
    grant: VerifiedGrant
    spec: ToolSpec | None
    children: int


class Authorizer:
    """Decides about tool calls."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages

    async def authorize(self, question: AuthorizeQuestion) -> Decision:
        """Decide about one tool call.

        Raises:
            Unanswerable: no decision could be made.
        """
        began = perf_counter()
        trail = Trail(
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

    async def _answer(self, question: AuthorizeQuestion, trail: Trail) -> tuple[Decision, bool]:
        checked = await self._check(question)
        if not question.request_id:
            return await self._decide(question, checked, trail), False

        async def decide() -> tuple[bytes, float | None]:
            decision = await self._decide(question, checked, trail)
            until = decision.credential.expires_at if decision.credential is not None else None
            return encode_decision(decision), until

        key = Replies.key("authorize", checked.agent.id, checked.grant.digest, question.request_id)
        reply, replayed = await self._stages.replies.once(key, question.body_digest, decide)
        decision = decode_decision(reply)
        trail.decision_id = decision.decision_id
        trail.policy_revision = decision.policy_revision
        return decision, replayed

    async def _check(self, question: AuthorizeQuestion) -> _Checked:
        stages = self._stages
        with stages.observer.stage("verify"):
            agent, grant = stages.verify_held(question.grant, question.discharges)
            spec = stages.known_tool(question.call)
            judge_call(
                grant,
                question.call,
                now=stages.clock(),
                read_only=spec is not None and spec.read_only,
            )
            # After the caveats: whoever may not use the tool at all isn't told how.
            problem = spec.validate(question.call.arguments) if spec is not None else None
            if problem is not None:
                raise Refused("arguments_invalid", problem)
            children = await stages.check_alive(grant)
        return _Checked(agent, grant, spec, children)

    async def _decide(self, question: AuthorizeQuestion, checked: _Checked, trail: Trail) -> Decision:
        stages = self._stages
        trail.input_json = stages.inputs.authorize(
            checked.agent,
            checked.grant,
            question.call,
            checked.spec,
            asserted=question.context,
            children=checked.children,
            now=stages.clock(),
        )
        with stages.observer.stage("evaluate"):
            verdict = await stages.policy.decide(
                Operation.AUTHORIZE, trail.input_json, key=question.call.name
            )
        trail.policy_revision = verdict.revision
        if not verdict.allowed:
            return trail.deny(*verdict.denials)
        credential = await self._issue(question, checked, verdict, trail)
        return Decision(
            trail.decision_id,
            allowed=True,
            reasons=verdict.granted_by,
            policy_revision=verdict.revision,
            credential=credential,
            obligations=verdict.obligations,
            reusable=verdict.reuse and credential is not None and not credential.single_use,
        )

    async def _issue(
        self, question: AuthorizeQuestion, checked: _Checked, verdict: PolicyDecision, trail: Trail
    ) -> IssuedCredential | None:
        template = verdict.credential
        if template is None or template.kind == "none":
            if question.scopes:
                raise Refused("scope_not_granted", "scopes were asked for and policy grants no credential")
            return None
        stages = self._stages
        issuer = stages.issuers.get(template.kind)
        now = stages.clock()
        audience, scopes, expires_at = clamp_credential(checked.grant, template, question.scopes, now)
        request = CredentialRequest(
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
        with stages.observer.stage("record"):
            await trail.intend(request)
        with stages.observer.stage("issue"):
            return await issuer.issue(request)
