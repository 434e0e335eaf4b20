"""Renews, revokes and describes credentials that were issued."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from tabard_sidecar.credentials.active import active
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.grants import IndexedGrant
from tabard_sidecar.model import (
    CredentialTemplate,
    Decision,
    Introspection,
    Operation,
    PolicyDecision,
)
from tabard_sidecar.pipeline.changes import holder
from tabard_sidecar.pipeline.recorder import Answer, DecisionRecorder, asked_json, unread
from tabard_sidecar.pipeline.requests import AuthorizeRequest, RenewCredentialRequest, VerifiedCall
from tabard_sidecar.pipeline.reservations import MOST_EVALUATIONS, contended, refusal
from tabard_sidecar.pipeline.stages import Stages, evaluate, reserve
from tabard_sidecar.revocation.targets import own_credential_target
from tabard_sidecar.state import ReserveState, Revocation, RevocationKind, RevocationOrigin
from tabard_sidecar.util.json_parts import JsonText

MAX_REVOKED_CREDENTIALS = 1_000
"""Most credentials that one workload may revoke in one task; each is stored as long as the task."""


class Credentials:
    """Renews, revokes and describes credentials of the presented holder."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages

    def inspect(self, value: str) -> Introspection:
        """Verify a credential of any kind.

        Raises:
            Refused: no issuer made it, or it has expired.
        """
        return self._stages.issuers.inspect(value)

    async def active(self, value: str) -> Introspection | None:
        """Describe a credential of any task for a backend; ``None`` if it isn't active, for any reason.

        Raises:
            NoDecision: the state store can't be reached.
        """
        stages = self._stages
        return await active(stages.issuers, stages.revocations, value, now=stages.clock())

    async def introspect(self, grant: str, value: str) -> Introspection | None:
        """Describe a credential of the presented grant's task; ``None`` if it isn't active there.

        Raises:
            Refused: the grant doesn't verify.
            NoDecision: the state store is out of reach.
        """
        agent, verified = self._stages.verify_held(grant)
        await self._stages.task_states.standing(agent, verified)
        found = await self.active(value)
        return found if found is not None and found.task_id == verified.task.id else None

    async def revoke(self, grant: str, credential_id: str) -> None:
        """Revoke a credential that was issued to the presented holder. Durable.

        An agent may name any id, so the revocation only counts for a credential of this very holder; revoking
        the id of another holder's credential has no effect. It reaches all renewals of the credential, earlier and later
        ones. Revoking twice is no error.

        Raises:
            Refused: the grant doesn't verify.
            NoDecision: the workload has revoked too many credentials, or the state store is out of reach.
        """
        agent, verified = self._stages.verify_held(grant)
        await self._stages.task_states.standing(agent, verified)
        now, state = self._stages.clock(), self._stages.state
        until = verified.task.expires_at
        if not await state.consume(
            f"revoked-credentials:{verified.root_id} {agent.id}",
            limit=MAX_REVOKED_CREDENTIALS,
            now=now,
            expires_at=until,
        ):
            raise NoDecision(
                "RESOURCE_EXHAUSTED",
                "overloaded",
                f"this workload has revoked {MAX_REVOKED_CREDENTIALS} credentials of the task already; "
                "end its part with EndTask instead",
            )
        target = own_credential_target(credential_id, verified.holder_id)
        revocation = Revocation(RevocationKind.CREDENTIAL, target, now, until, origin=RevocationOrigin.HOLDER)
        await self._stages.changes.make(
            "revoke_credential",
            by=holder(verified),
            # No store holds which credentials were issued, so the record says for which the revocation counts.
            about={"credential_id": credential_id, "only_if_issued_to_link": verified.holder_id},
            work=lambda: state.revoke(revocation),
            told=lambda sequence: {"sequence": sequence},
        )

    async def renew(self, request: RenewCredentialRequest) -> Decision:
        """Decide whether a credential may be replaced by one that lasts longer.

        Raises:
            NoDecision: no decision could be made.
        """

        async def work(recorder: DecisionRecorder) -> Answer:
            return Answer(await self._renew(request, recorder))

        answer = await self._stages.decisions.run(
            Operation.RENEW, work, asked=lambda: asked_json(Operation.RENEW)
        )
        return answer.decision

    async def _renew(self, request: RenewCredentialRequest, recorder: DecisionRecorder) -> Decision:
        stages = self._stages
        agent, grant = stages.verify_held(request.grant)
        recorder.verified(agent, grant=grant)
        await stages.task_states.standing(agent, grant)
        now = stages.clock()
        recorder.read(lambda: _asked(request))
        old = stages.issuers.inspect(request.credential)
        recorder.renews(old)
        await stages.revocations.check_credential(old, now=now)
        _check_renewable(old, grant)
        asked = AuthorizeRequest(
            request.grant, old.tool, str(old.claims.get("tabard_server", "")), request.arguments_json
        )
        tool = (await stages.calls.read(asked)).tool
        if tool.digest != old.call_digest:
            raise Refused("call_mismatch", "the arguments aren't those of the call for which it was issued")
        spec = await stages.check_tool(grant, tool, now=now)
        with stages.policy.lease() as policy:
            call = VerifiedCall(asked, tool, {}, agent, grant, spec, policy)
            for _ in range(MOST_EVALUATIONS):
                decided = await self._renew_once(call, old, recorder)
                if decided is not None:
                    return decided
        raise contended()

    async def _renew_once(
        self, call: VerifiedCall, old: Introspection, recorder: DecisionRecorder
    ) -> Decision | None:
        """Decide on the task's present state; ``None`` if it changed meanwhile.

        A renewal must pass every rule that a new call has to pass, without asking a person, and adds the labels of one. It
        notes no facts: uses of a credential for a call that notes any are counted, so it isn't renewed.
        """
        stages = self._stages
        state = await stages.task_states.look_up(call.agent, call.grant, with_calls=call.policy.reads_calls)
        now = stages.clock()
        asked, _ = stages.inputs.authorize(call, state, now=now)
        fresh = await self._evaluate(Operation.AUTHORIZE, call, asked, recorder)
        if not fresh.allowed:
            return recorder.deny(*fresh.denials)
        asked = stages.inputs.renew(call, state, now=now)
        decision = await self._evaluate(Operation.RENEW, call, asked, recorder)
        if not decision.allowed:
            return recorder.deny(*decision.denials)
        template = replace(_still_granted(old, fresh), ttl_seconds=decision.ttl_seconds)
        pending = stages.issuance.prepare(call, template, (), recorder.decision_id, old.credential_id)
        reserved = await reserve(stages, call, state, fresh, pending, recorder)
        if reserved.state is ReserveState.CHANGED:
            return None
        if reserved.state is not ReserveState.DONE:
            raise refusal(call.grant, reserved)
        credential = await pending.issue(recorder, stages.observer)
        return recorder.allow(decision.granted_by, credential=credential, obligations=fresh.obligations)

    async def _evaluate(
        self, operation: Operation, call: VerifiedCall, asked: JsonText, recorder: DecisionRecorder
    ) -> PolicyDecision:
        return await evaluate(call.policy, operation, asked, recorder, self._stages.observer)


def _asked(request: RenewCredentialRequest) -> bytes:
    """Return what is recorded of a request to renew that isn't decided by policy."""
    return asked_json(
        Operation.RENEW,
        tool=unread(request.arguments_json),
        credential={"sha256": sha256(request.credential.encode()).hexdigest()},
    )


def _check_renewable(old: Introspection, grant: IndexedGrant) -> None:
    """Refuse a credential of another holder of the task, whose caveats may differ, and one whose uses are counted."""
    if old.task_id != grant.task.id:
        raise Refused("credential_invalid", "the credential belongs to another task")
    if old.claims.get("tabard_link") != grant.holder_id:
        raise Refused("credential_invalid", "the credential was issued to another holder of the task")
    if old.uses:
        raise Refused(
            "credential_invalid",
            "a credential whose uses are counted isn't renewed; authorize the call again",
        )


def _still_granted(old: Introspection, fresh: PolicyDecision) -> CredentialTemplate:
    """Return what policy still grants of a credential.

    Raises:
        Refused: a call now costs something, or gets another credential.
    """
    offered = fresh.credential
    if (
        fresh.charges
        or offered is None
        or offered.uses
        or (offered.kind, offered.audience) != (old.kind, old.audience)
    ):
        raise Refused(
            "credential_invalid", "policy grants the call another credential now; authorize the call again"
        )
    return replace(offered, scopes=tuple(scope for scope in old.scopes if scope in offered.scopes))
