"""Deciding about calls that wait, with the approver's own token."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tabard_sidecar.approvals.prompt import Prompt, open_prompt
from tabard_sidecar.approvals.roles import check_approver, check_person, check_right
from tabard_sidecar.errors import Refused
from tabard_sidecar.state import Approval, ApprovalStatus
from tabard_sidecar.util.sealing import SealError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tabard_sidecar.approvals.conf import ApprovalsConfig
    from tabard_sidecar.interfaces import Clock, Revocations
    from tabard_sidecar.model import Subject
    from tabard_sidecar.state import StateStore
    from tabard_sidecar.util.sealing import SealingKeys

MAX_LISTED = 200
"""Most approvals that are shown at once."""

_log = logging.getLogger(__name__)


class ApproverTokens(Protocol):
    """Verifies approvers' tokens: own audience, fresh authentication."""

    async def verify_claims(self, token: str) -> tuple[Subject, Mapping[str, Any]]:
        """Return whom the token speaks of, and every claim in it."""
        ...


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """One approval as people see it. ``prompt`` is ``None`` if it can't be decrypted any more."""

    approval: Approval
    prompt: Prompt | None


class ApprovalDecider:
    """Shows people what waits and takes their decisions.

    Args:
        config: the section ``approvals``.
        state: where approvals wait.
        keys: decrypt what people are shown.
        tokens: verifies approvers' tokens.
        revocations: knows which people were revoked.
        clock: seconds since the epoch.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - one argument per part that is needed
        self,
        config: ApprovalsConfig,
        state: StateStore,
        keys: SealingKeys,
        tokens: ApproverTokens,
        revocations: Revocations,
        clock: Clock,
    ) -> None:
        self._config = config
        self._state = state
        self._keys = keys
        self._tokens = tokens
        self._revocations = revocations
        self._clock = clock

    async def cases(self, *, pending_only: bool) -> tuple[list[ApprovalView], bool]:
        """Return what waits and, unless ``pending_only``, what was decided and still counts; oldest first.

        The second part tells whether there are more than the 200 that are returned.

        Raises:
            NoDecision: the state store is out of reach.
        """
        found = await self._state.approvals(now=self._clock(), pending_only=pending_only)
        cases = []
        for approval in found[:MAX_LISTED]:
            cases.append(self._case(approval))
            await asyncio.sleep(0)  # large ones take a while, and agents wait meanwhile
        return cases, len(found) > MAX_LISTED

    async def case(self, approval_id: str) -> ApprovalView:
        """Return one approval.

        Raises:
            Refused: there is none of that name, or not any more.
            NoDecision: the state store is out of reach.
        """
        now = self._clock()
        approval = await self._state.approval(approval_id, now=now)
        if approval is None or not now < approval.expires_at:
            raise Refused("approval_unknown", "there is no such approval, or not any more")
        return self._case(approval)

    async def decide(self, approval_id: str, token: str, *, approve: bool) -> ApprovalView:
        """Approve or deny a call on behalf of the person that ``token`` speaks of. A token decides once.

        Raises:
            Refused: nothing waits under that name, the token isn't acceptable, is an agent's or was used, or the person
                hasn't the right.
            NoDecision: the state store or the issuer's keys are out of reach.
        """
        case = await self.case(approval_id)
        if case.approval.status is not ApprovalStatus.PENDING:
            raise Refused("approval_decided", f"it was decided already: {case.approval.status.value}")
        if case.prompt is None:
            raise Refused(
                "approval_unreadable", "the details of the call can't be decrypted, so it can't be decided"
            )
        person = await self._person(token, case.prompt, approve=approve)
        decided = await self._record(case.approval, case.prompt, person, approve=approve)
        _log.info(
            "approval decided",
            extra={
                "approval_id": approval_id,
                "task_id": decided.task_id,
                "status": decided.status.value,
                "approver": decided.approver,
                "policy_module": decided.module,
                "reason_code": decided.code,
            },
        )
        return ApprovalView(decided, case.prompt)

    async def _person(self, token: str, prompt: Prompt, *, approve: bool) -> Subject:
        if not token:
            raise Refused("approver_token_missing", "no approver's token was sent")
        person, claims = await self._tokens.verify_claims(token)
        if " " in person.issuer:
            raise Refused("approver_not_entitled", "the approver's issuer has a name with a space in it")
        check_person(self._config, person, claims, prompt)
        check_right(self._config, person, claims, prompt, approve=approve)
        await check_approver(
            self._revocations, prompt.agent_id, person, since=person.issued_at, now=self._clock()
        )
        return person

    async def _record(
        self, approval: Approval, prompt: Prompt, person: Subject, *, approve: bool
    ) -> Approval:
        now = self._clock()
        # Last of all checks, so that a mistake doesn't cost the approver a token.
        name = f"approver-token:{person.token_id}"
        if not await self._state.consume(name, limit=1, now=now, expires_at=person.expires_at):
            raise Refused("approver_token_used", "the approver's token has decided about a call already")
        # A refusal is remembered for as long as the call could have waited, so that nobody is asked again at once.
        until = now + (prompt.ttl_seconds if approve else self._config.wait_seconds)
        decided = await self._state.decide_approval(
            approval.approval_id,
            approved=approve,
            approver=f"{person.issuer} {person.id}",
            now=now,
            expires_at=min(until, prompt.grant_expires_at),
        )
        if decided is None:
            raise Refused(
                "approval_decided", "another approver decided before, or the approval request has expired"
            )
        return decided

    def _case(self, approval: Approval) -> ApprovalView:
        try:
            return ApprovalView(approval, open_prompt(self._keys, approval.approval_id, approval.payload))
        except SealError as error:
            _log.warning(
                "approval can't be read", extra={"approval_id": approval.approval_id, "problem": str(error)}
            )
            return ApprovalView(approval, None)
