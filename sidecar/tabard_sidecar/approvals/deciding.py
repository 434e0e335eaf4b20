"""Lists pending approvals and decides them with the approver's own token."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol

from tabard_sidecar.approvals.prompt import Prompt, open_prompt
from tabard_sidecar.approvals.roles import check_approver, check_person, check_right
from tabard_sidecar.errors import Refused
from tabard_sidecar.state import Approval, ApprovalStatus
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.sealing import SealError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tabard_sidecar.approvals.conf import ApprovalsConfig
    from tabard_sidecar.approvals.listing import Selection
    from tabard_sidecar.interfaces import Clock, Revocations
    from tabard_sidecar.model import Subject
    from tabard_sidecar.state import StateStore
    from tabard_sidecar.util.sealing import SealingKeys

_log = logging.getLogger(__name__)


class ApproverTokens(Protocol):
    """Verifies approvers' tokens: own audience, fresh authentication."""

    async def verify_claims(self, token: str) -> tuple[Subject, Mapping[str, Any]]:
        """Return the token's subject and all its claims."""
        ...


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """An approval with its decrypted prompt; ``prompt`` is ``None`` if it can't be decrypted any more."""

    approval: Approval
    prompt: Prompt | None


class ApprovalDecider:
    """Lists approvals and takes approvers' decisions.

    Args:
        config: the section ``approvals``.
        state: stores approvals.
        keys: decrypt prompts.
        tokens: verifies approvers' tokens.
        revocations: checks whether people are revoked.
        clock: seconds since the epoch.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - one argument per dependency
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

    async def list_approvals(self, selection: Selection) -> tuple[list[ApprovalView], int]:
        """Return a page of the approvals that haven't expired, and how many there are on all pages.

        Raises:
            NoDecision: the state store is unavailable.
        """
        found = await self._state.approvals(now=self._clock(), pending_only=selection.pending_only)
        page, total = selection.page(found)
        views = []
        for approval in page:
            views.append(self._view(approval))
            await asyncio.sleep(0)  # decrypting large prompts takes a while; let agents' requests run
        return views, total

    async def get_approval(self, approval_id: str) -> ApprovalView:
        """Return one approval.

        Raises:
            Refused: ``approval_unknown``: it doesn't exist or has expired; ``task_ended``: its holder was ended or revoked.
            NoDecision: the state store is unavailable.
        """
        now = self._clock()
        approval = await self._state.approval(approval_id, now=now)
        if approval is None or not now < approval.expires_at:
            raise Refused("approval_unknown", "the approval doesn't exist or has expired")
        if approval.status is ApprovalStatus.ENDED:
            raise Refused(
                "task_ended",
                "the task or the holder that asked was ended or revoked, so its call can't be made; "
                "there is nothing to decide",
            )
        return self._view(approval)

    async def decide(self, approval_id: str, token: str, *, approve: bool) -> ApprovalView:
        """Approve or deny a call on behalf of the subject of ``token``. A token decides once.

        Raises:
            Refused: no such approval is pending, the token isn't acceptable, is an agent's or was used, or the person
                isn't entitled.
            NoDecision: the state store or the issuer's keys are unavailable.
        """
        view = await self.get_approval(approval_id)
        if view.approval.status is not ApprovalStatus.PENDING:
            raise Refused(
                "approval_decided", f"the approval was decided already: {view.approval.status.value}"
            )
        if view.prompt is None:
            raise Refused(
                "approval_unreadable", "the call can't be decrypted, so an approver can't examine it"
            )
        person = await self._person(token, view.prompt, approve=approve)
        decided = await self._record(view.approval, view.prompt, person, approve=approve)
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
        return ApprovalView(decided, view.prompt)

    async def _person(self, token: str, prompt: Prompt, *, approve: bool) -> Subject:
        if not token:
            raise Refused("approver_token_missing", "no approver's token was sent")
        person, claims = await self._tokens.verify_claims(token)
        if " " in person.issuer:
            raise Refused("approver_not_entitled", "the name of the approver's issuer has a space in it")
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
        self._revocations.check_unspent(issued_at=person.issued_at, now=now)
        # The last check, so that another failing check doesn't use up the approver's token.
        name = f"approver-token:{person.token_id}"
        if not await self._state.consume(name, limit=1, now=now, expires_at=person.expires_at):
            raise Refused("approver_token_used", "the approver's token has already decided a call")
        # A denial is kept until the task ends, so that no person is asked the same again.
        until = min(now + prompt.ttl_seconds, prompt.grant_expires_at) if approve else prompt.task_expires_at
        decided = await self._state.decide_approval(
            approval.approval_id,
            approved=approve,
            approver=f"{person.issuer} {person.id}",
            now=now,
            expires_at=until,
        )
        if decided is None:
            raise Refused(
                "approval_decided",
                "another approver has just decided, or the approval has expired or its holder was ended",
            )
        return decided

    def _view(self, approval: Approval) -> ApprovalView:
        try:
            return ApprovalView(approval, open_prompt(self._keys, approval.approval_id, approval.payload))
        except SealError as error:
            _log.warning(
                "approval can't be read", extra={"approval_id": approval.approval_id, "problem": str(error)}
            )
            return ApprovalView(approval, None)
