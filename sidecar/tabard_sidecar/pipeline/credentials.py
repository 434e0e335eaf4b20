"""Renews, revokes and describes credentials that were issued."""

from __future__ import annotations

from tabard.caveats import Arguments, Call, glob_matches

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.grants import IndexedGrant, tool_possible
from tabard_sidecar.model import (
    CredentialTemplate,
    Decision,
    Introspection,
    Operation,
    ToolCall,
)
from tabard_sidecar.pipeline.recorder import Answer, DecisionRecorder, asked_json
from tabard_sidecar.pipeline.requests import RenewCredentialRequest
from tabard_sidecar.pipeline.stages import Stages, evaluate
from tabard_sidecar.revocation.targets import own_credential_target
from tabard_sidecar.state import Revocation, RevocationKind, RevocationOrigin

MAX_REVOKED_CREDENTIALS = 1_000
"""Most credentials that the holders of one task may revoke; each is stored as long as the task."""


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
        try:
            found = self.inspect(value)
            await self._stages.revocations.check_credential(found, now=self._stages.clock())
        except Refused:
            return None
        return found

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
        the id of another holder's credential has no effect. Revoking twice is no error.

        Raises:
            Refused: the grant doesn't verify.
            NoDecision: the task has revoked too many credentials, or the state store is out of reach.
        """
        agent, verified = self._stages.verify_held(grant)
        await self._stages.task_states.standing(agent, verified)
        now, state = self._stages.clock(), self._stages.state
        until = verified.task.expires_at
        if not await state.consume(
            f"revoked-credentials:{verified.root_id}",
            limit=MAX_REVOKED_CREDENTIALS,
            now=now,
            expires_at=until,
        ):
            raise NoDecision(
                "RESOURCE_EXHAUSTED",
                "overloaded",
                f"the task has revoked {MAX_REVOKED_CREDENTIALS} credentials already; end it with EndTask instead",
            )
        target = own_credential_target(credential_id, verified.holder_id)
        await state.revoke(
            Revocation(RevocationKind.CREDENTIAL, target, now, until, origin=RevocationOrigin.HOLDER)
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
        await stages.task_states.standing(agent, grant)
        now = stages.clock()
        old = stages.issuers.inspect(request.credential)
        await stages.revocations.check_credential(old, now=now)
        tool = ToolCall(old.tool, str(old.claims.get("tabard_server", "")), {}, b"", old.call_digest)
        spec = stages.catalogue.lookup(tool.name, tool.server)
        with stages.policy.lease() as policy:
            # Looked up last, so that policy sees the task's current state.
            state = await stages.task_states.look_up(agent, grant, with_calls=policy.reads_calls)
            _check_renewable(old, grant, now=now, read_only=spec is not None and spec.read_only)
            shown = {
                "name": tool.name,
                "server": tool.server,
                "annotations": {} if spec is None else dict(spec.annotations),
            }
            input_json = stages.inputs.without_tool(
                Operation.RENEW, agent, grant, state=state, now=now, tool=shown
            )
            decision = await evaluate(policy, Operation.RENEW, input_json, recorder, stages.observer)
        if not decision.allowed:
            return recorder.deny(*decision.denials)
        template = CredentialTemplate(
            kind=old.kind, audience=old.audience, scopes=old.scopes, ttl_seconds=decision.ttl_seconds
        )
        pending = stages.issuance.prepare(agent, grant, tool, template, (), recorder.decision_id)
        return recorder.allow(
            decision.granted_by,
            credential=await pending.issue(recorder, stages.observer),
            obligations=decision.obligations,
        )


def _check_renewable(old: Introspection, grant: IndexedGrant, *, now: float, read_only: bool) -> None:
    """Check that a credential is this holder's and renewable, and that the grant still allows its call."""
    _check_same_holder(old, grant)
    if old.single_use:
        raise Refused(
            "credential_invalid", "a credential for single use isn't renewed; authorize the call again"
        )
    _check_still_granted(old, grant, now=now, read_only=read_only)


def _check_same_holder(old: Introspection, grant: IndexedGrant) -> None:
    """Refuse a credential that was issued to another holder of the task, whose caveats may differ."""
    if old.task_id != grant.task.id:
        raise Refused("credential_invalid", "the credential belongs to another task")
    if old.claims.get("tabard_link") != grant.holder_id:
        raise Refused("credential_invalid", "the credential was issued to another holder of the task")


def _check_still_granted(old: Introspection, grant: IndexedGrant, *, now: float, read_only: bool) -> None:
    """Check the caveats that were appended since the issue; of the arguments only the digest is known."""
    if not tool_possible(grant, old.tool, now=now, read_only=read_only):
        raise Refused("tool_not_granted", f"the grant doesn't allow {old.tool!a} any more")
    for caveat in grant.caveats:
        if isinstance(caveat, Arguments) and glob_matches(caveat.tool, old.tool):
            raise Refused(
                "argument_not_granted",
                "a grant with argument caveats for the tool can't renew; authorize again",
            )
        if isinstance(caveat, Call) and caveat.digest != old.call_digest:
            raise Refused("call_mismatch", "the grant is pinned to another call")
