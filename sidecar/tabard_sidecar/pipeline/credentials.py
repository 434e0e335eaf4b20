"""Credentials after they were issued: renewing, revoking and describing them."""

from __future__ import annotations

from time import perf_counter

from tabard.caveats import Arguments, Call, glob_matches

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.grants import check_expiry, clamp_credential, tool_possible
from tabard_sidecar.model import (
    CredentialRequest,
    CredentialTemplate,
    Decision,
    Introspection,
    Operation,
    ToolCall,
    VerifiedGrant,
)
from tabard_sidecar.pipeline.recorder import DecisionRecorder, asked, new_id
from tabard_sidecar.pipeline.requests import RenewCredentialRequest
from tabard_sidecar.pipeline.stages import Stages
from tabard_sidecar.revocation.targets import REVOKED_BY_HOLDER, own_credential_target
from tabard_sidecar.state import Revocation, RevocationKind

MAX_REVOKED_CREDENTIALS = 1_000
"""How many credentials the holders of one task may revoke; each is remembered as long as the task."""


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
        """Describe a credential of any task for a backend; ``None`` if it isn't active, whatever the cause.

        Raises:
            NoDecision: the state store is out of reach, so that nobody can tell.
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
        check_expiry(verified, now=self._stages.clock())
        try:
            await self._stages.check_alive(agent, verified)
        except Refused:
            return None
        found = await self.active(value)
        return found if found is not None and found.task_id == verified.task.id else None

    async def revoke(self, grant: str, credential_id: str) -> None:
        """Revoke a credential that was issued to the presented holder. Durable.

        An agent may name any id, so the revocation only counts for a credential of this very holder; the id of somebody
        else's does nothing. Revoking twice is no error.

        Raises:
            Refused: the grant doesn't verify.
            NoDecision: the task has revoked too many credentials, or the state store is out of reach.
        """
        _, verified = self._stages.verify_held(grant)
        now, state = self._stages.clock(), self._stages.state
        check_expiry(verified, now=now)
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
        await state.revoke(Revocation(RevocationKind.CREDENTIAL, target, now, until, REVOKED_BY_HOLDER))

    async def renew(self, question: RenewCredentialRequest) -> Decision:
        """Decide whether a credential may be replaced by one that lasts longer.

        Raises:
            NoDecision: no decision could be made.
        """
        began = perf_counter()
        trail = DecisionRecorder(
            self._stages.log, self._stages.clock, Operation.RENEW, asked(Operation.RENEW)
        )
        try:
            decision = await self._renew(question, trail)
        except Refused as refusal:
            decision = trail.refused(refusal)
        await trail.close(decision)
        self._stages.observer.decided(Operation.RENEW, decision, perf_counter() - began)
        return decision

    async def _renew(self, question: RenewCredentialRequest, trail: DecisionRecorder) -> Decision:
        stages = self._stages
        agent, grant = stages.verify_held(question.grant)
        now = stages.clock()
        check_expiry(grant, now=now)
        old = stages.issuers.inspect(question.credential)
        await stages.revocations.check_credential(old, now=now)
        # Last of what is waited for: policy is asked about how the task stands now.
        standing = await stages.check_alive(agent, grant)
        issuer = stages.issuers.get(old.kind)
        _check_same_holder(old, grant)
        if old.single_use:
            raise Refused(
                "credential_invalid", "a credential for single use isn't renewed; authorize the call again"
            )
        server = str(old.claims.get("tabard_server", ""))
        spec = stages.catalogue.lookup(old.tool, server)
        _check_still_granted(old, grant, now=now, read_only=spec is not None and spec.read_only)
        trail.input_json = stages.inputs.without_tool(
            Operation.RENEW,
            agent,
            grant,
            standing=standing,
            now=now,
            tool={
                "name": old.tool,
                "server": server,
                "annotations": {} if spec is None else dict(spec.annotations),
            },
        )
        verdict = await stages.policy.decide(Operation.RENEW, trail.input_json)
        trail.policy_revision = verdict.revision
        if not verdict.allowed:
            return trail.deny(*verdict.denials)
        template = CredentialTemplate(
            kind=old.kind, audience=old.audience, scopes=old.scopes, ttl_seconds=verdict.ttl_seconds
        )
        audience, scopes, expires_at = clamp_credential(grant, template, (), now)
        request = CredentialRequest(
            credential_id=new_id(),
            decision_id=trail.decision_id,
            kind=old.kind,
            audience=audience,
            scopes=scopes,
            issued_at=now,
            expires_at=expires_at,
            single_use=False,
            role="",
            agent=agent,
            grant=grant,
            call=ToolCall(old.tool, server, {}, b"", old.call_digest),
        )
        await trail.intend(request)
        return Decision(
            trail.decision_id,
            allowed=True,
            reasons=verdict.granted_by,
            policy_revision=verdict.revision,
            credential=await issuer.issue(request),
            obligations=verdict.obligations,
        )


def _check_same_holder(old: Introspection, grant: VerifiedGrant) -> None:
    """Refuse a credential that another holder of the task was given: its own caveats may be narrower or wider."""
    if old.task_id != grant.task.id:
        raise Refused("credential_invalid", "the credential belongs to another task")
    if old.claims.get("tabard_link") != grant.holder_id:
        raise Refused("credential_invalid", "the credential was issued to another holder of the task")


def _check_still_granted(old: Introspection, grant: VerifiedGrant, *, now: float, read_only: bool) -> None:
    """Refuse what a caveat that was appended since takes away; the arguments are known by their digest only."""
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
