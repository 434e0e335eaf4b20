"""Lists pending approvals and decides them with the approver's own token."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tabard_sidecar.approvals.approvers import Approvers, approver_name
from tabard_sidecar.approvals.prompt import Prompt, open_prompt
from tabard_sidecar.errors import Refused
from tabard_sidecar.state import Approval, ApprovalStatus, NotDecided, Verdict
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.sealing import SealError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tabard_sidecar.approvals.approvers import ApproverTokens
    from tabard_sidecar.approvals.conf import ApprovalsConfig
    from tabard_sidecar.approvals.listing import Selection
    from tabard_sidecar.interfaces import Clock, Revocations
    from tabard_sidecar.model import Subject
    from tabard_sidecar.state import StateStore
    from tabard_sidecar.util.sealing import SealingKeys

_log = logging.getLogger(__name__)


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
        self._state = state
        self._keys = keys
        self._approvers = Approvers(config, tokens, revocations, clock)
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
        """Approve or deny a call on behalf of the subject of ``token``. A token decides once; a refusal doesn't use it up.

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
        person = await self._approvers.verify(token, [(view.prompt, approve)])
        approver, now = self._approvers.sign(person)
        decided = await self._state.decide_approval(
            approval_id,
            approved=approve,
            approver=approver,
            now=now,
            expires_at=_until(view.prompt, now, approve=approve),
        )
        if decided is NotDecided.TOKEN_USED:
            raise _token_used()
        if decided is NotDecided.CHANGED:
            raise Refused(
                "approval_decided",
                "another approver has just decided, or the approval has expired or its holder was ended",
            )
        _log_decision(decided)
        return ApprovalView(decided, view.prompt)

    async def get_group(self, group_id: str, *, decided: bool = False) -> list[ApprovalView]:
        """Return what is pending in a group and, with ``decided``, what was decided and hasn't expired; oldest first.

        Raises:
            Refused: ``approval_unknown``: there is nothing.
            NoDecision: the state store is unavailable.
        """
        found = await self._state.approval_group(group_id, now=self._clock(), pending_only=not decided)
        if not found:
            raise Refused("approval_unknown", "no call of this group waits")
        views = []
        for approval in found:
            views.append(self._view(approval))
            await asyncio.sleep(0)  # as in a list
        return views

    async def decide_group(
        self, group_id: str, token: str, verdicts: Mapping[str, bool]
    ) -> list[ApprovalView]:
        """Approve (true) or deny every pending approval of a group on behalf of the subject of ``token``, all or none.

        The same decision of the same person again changes nothing and spends no token.

        Raises:
            Refused: ``approval_group_changed``, what is pending isn't exactly what ``verdicts`` name; and as
                :meth:`decide` does, for any of them.
            NoDecision: the state store or the issuer's keys are unavailable.
        """
        views = {view.approval.approval_id: view for view in await self.get_group(group_id, decided=True)}
        pending = {key for key, view in views.items() if view.approval.status is ApprovalStatus.PENDING}
        again = not pending and verdicts.keys() <= views.keys()
        if not verdicts or not (again or pending == verdicts.keys()):
            raise _changed()
        named = [(key, views[key], approve) for key, approve in verdicts.items()]
        calls = []
        for _, view, approve in named:
            if view.prompt is None:
                raise Refused(
                    "approval_unreadable", "a call can't be decrypted, so an approver can't examine it"
                )
            calls.append((view.prompt, approve))
        person = await self._approvers.verify(token, calls)
        if again:
            return _decided_before(named, person)
        approver, now = self._approvers.sign(person)
        wanted = [
            Verdict(key, approve, _until(prompt, now, approve=approve))
            for (key, _, approve), (prompt, _) in zip(named, calls, strict=True)
        ]
        decided = await self._state.decide_approvals(group_id, wanted, approver=approver, now=now)
        if decided is NotDecided.TOKEN_USED:
            raise _token_used()
        if decided is NotDecided.CHANGED:
            raise _changed()
        for approval in decided:
            _log_decision(approval)
        prompts = {key: view.prompt for key, view in views.items()}
        return [ApprovalView(approval, prompts[approval.approval_id]) for approval in decided]

    def _view(self, approval: Approval) -> ApprovalView:
        try:
            return ApprovalView(approval, open_prompt(self._keys, approval.approval_id, approval.payload))
        except SealError as error:
            _log.warning(
                "approval can't be read", extra={"approval_id": approval.approval_id, "problem": str(error)}
            )
            return ApprovalView(approval, None)


def _until(prompt: Prompt, now: float, *, approve: bool) -> float:
    """Return when a decision can no longer be used. A denial is kept until the task ends, so that no person is asked again."""
    return min(now + prompt.ttl_seconds, prompt.grant_expires_at) if approve else prompt.task_expires_at


def _token_used() -> Refused:
    return Refused("approver_token_used", "the approver's token has already decided a call")


def _changed() -> Refused:
    return Refused(
        "approval_group_changed",
        "the calls of the group that wait aren't exactly those that were shown; nothing was decided",
    )


def _decided_before(named: Iterable[tuple[str, ApprovalView, bool]], person: Subject) -> list[ApprovalView]:
    """Return the views if this person has decided all of them this way.

    Raises:
        Refused: ``approval_decided``.
    """
    views = []
    for _, view, approve in named:
        wanted = ApprovalStatus.APPROVED if approve else ApprovalStatus.DENIED
        if view.approval.status is not wanted or view.approval.approver != approver_name(person):
            raise Refused("approval_decided", "the calls of the group were decided already")
        views.append(view)
    return views


def _log_decision(decided: Approval) -> None:
    _log.info(
        "approval decided",
        extra={
            "approval_id": decided.approval_id,
            "task_id": decided.task_id,
            "status": decided.status.value,
            "approver": decided.approver,
            "policy_module": decided.module,
            "reason_code": decided.code,
        },
    )
