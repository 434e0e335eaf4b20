"""Requests approvals for calls, and checks given approvals. Nothing here waits for a decision."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from tabard_sidecar.approvals import call_grant as call_grants
from tabard_sidecar.approvals.grouping import Asked, Batch
from tabard_sidecar.approvals.prompt import prompt_for, seal_prompt
from tabard_sidecar.approvals.roles import check_approver
from tabard_sidecar.errors import Refused
from tabard_sidecar.grants.discharges import check_discharges
from tabard_sidecar.model import MetApproval, PendingApproval, Subject
from tabard_sidecar.state import Approval, ApprovalStatus, PendingLimits
from tabard_sidecar.util.jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tabard_sidecar.approvals.conf import ApprovalsConfig
    from tabard_sidecar.interfaces import Revocations, Together
    from tabard_sidecar.model import Agent, Ask, ToolCall, VerifiedGrant
    from tabard_sidecar.state import StateStore
    from tabard_sidecar.util.sealing import SealingKeys

MAX_SHOWN_BYTES = 64 * 1024
"""Longest arguments, as canonical JSON, that an approval can be requested for, in bytes."""

MAX_REASONS = 20
MAX_REASONS_CHARS = 8_000
"""Most reasons of one rule that a person is shown for a call, and their length."""


class ApprovalRequester:
    """Requests approvals and checks given ones. Implements :class:`tabard_sidecar.interfaces.Approvals`.

    Args:
        config: the section ``approvals``.
        state: stores approvals.
        grants: verifies grants and derives the keys of discharges.
        keys: encrypt prompts.
        revocations: checks whether people are revoked.
        announce: called for every new approval, or once for those of a new group; must not block.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - one argument per dependency
        self,
        config: ApprovalsConfig,
        state: StateStore,
        grants: call_grants.Grants,
        keys: SealingKeys,
        revocations: Revocations,
        announce: Callable[[Sequence[Asked]], None] = lambda _asked: None,
    ) -> None:
        self._config = config
        self._state = state
        self._grants = grants
        self._keys = keys
        self._revocations = revocations
        self._announce = announce
        self._limits = PendingLimits(
            config.max_pending_per_task,
            config.max_pending_per_person,
            config.max_pending_per_workload,
            config.max_pending_per_group,
        )

    def together(self) -> Batch:
        """Return a context for the calls of one batch, whose approvals are shown as a list; it announces them at its end."""
        return Batch(self._announce)

    async def ask(  # noqa: PLR0913 - the interface's signature
        self,
        serialised: str,
        grant: VerifiedGrant,
        agent: Agent,
        call: ToolCall,
        asks: Sequence[Ask],
        *,
        known_tool: bool,
        now: float,
        together: Together | None = None,
    ) -> tuple[PendingApproval, ...]:
        """Store one pending approval per ask, and return all that the new call grant demands.

        ``serialised`` is the grant as presented. Repeating a request returns the existing approval. Under a call grant
        only missing approvals are requested.

        After a refusal the same rule asks no person again about this tool in this task, whatever the arguments are, for
        the workload that was refused and every holder below it. Tools that the catalogue doesn't have count as one, because
        the agent may name them as it likes.

        ``together`` is what :meth:`together` returned for the batch that the call belongs to.

        Raises:
            Refused: ``approvals_exceeded``, the workload has too many pending approvals;
                ``approval_denied``, a person has refused; ``approver_unknown``, no configured
                role could approve; ``approval_too_large``, the arguments are too long for a person to examine;
                ``policy_conflict``, one code asks different approvers; ``grant_too_large``.
            NoDecision: the state store is unavailable.
        """
        asks = _merged(asks)
        size = len(call.arguments_json)
        if size > MAX_SHOWN_BYTES:
            message = f"the arguments have {size} bytes, and a person is shown at most {MAX_SHOWN_BYTES}"
            raise Refused("approval_too_large", message)
        for ask in asks:
            if not any(role in self._config.roles for role in ask.approvers):
                names = ", ".join(ascii(role) for role in ask.approvers[:8])
                raise Refused(
                    "approver_unknown", f"approvals.roles has none of {names}, so the call can't be approved"
                )
        demanded = [await self._get(approval_id, now) for approval_id in call_grants.approval_ids(grant)]
        tool = call.name if known_tool else ""
        batch = together if isinstance(together, Batch) else None
        demanded += [await self._store(grant, agent, call, ask, tool, now, batch) for ask in asks]
        demanded_ids = [approval.approval_id for approval in demanded]
        narrowed = call_grants.make_call_grant(self._grants, serialised, grant, call.digest, demanded_ids)
        return tuple(
            PendingApproval(
                found.approval_id, found.module, found.code, narrowed, found.expires_at, found.group_id
            )
            for found in {approval.approval_id: approval for approval in demanded}.values()
        )

    async def met(self, grant: VerifiedGrant, call: ToolCall, *, now: float) -> tuple[MetApproval, ...]:
        """Return the approvals of this call: one per third-party caveat of the grant.

        The discharges were verified with the grant; this checks their caveats and looks up who approved the call. Uses
        are counted when the call is reserved, so a retry of the last permitted call still gets its stored reply.

        Raises:
            Refused: ``discharge_expired``, ``call_mismatch``, ``approval_denied``, ``approver_revoked``, or
                ``approval_invalid``: an approval has expired, isn't decided or belongs to another call.
            NoDecision: the state store is unavailable.
        """
        met = []
        for approval_id in check_discharges(grant, call, now=now):
            approval = await self._get(approval_id, now)
            _check(approval, grant, call)
            issuer, _, person = approval.approver.partition(" ")
            await check_approver(
                self._revocations,
                grant.holder,
                Subject(person, issuer),
                since=approval.decided_at,
                now=now,
            )
            met.append(
                MetApproval(approval_id, approval.module, approval.code, person, issuer, approval.decided_at)
            )
        return tuple(met)

    async def _get(self, approval_id: str, now: float) -> Approval:
        approval = await self._state.approval(approval_id, now=now)
        if approval is None or not now < approval.expires_at:
            raise Refused("approval_invalid", f"approval {approval_id[:64]!a} doesn't exist or has expired")
        return approval

    async def _store(  # noqa: PLR0913, PLR0917 - what an approval states
        self,
        grant: VerifiedGrant,
        agent: Agent,
        call: ToolCall,
        ask: Ask,
        tool: str,
        now: float,
        batch: Batch | None,
    ) -> Approval:
        approval_id = call_grants.new_approval_id()
        approval = Approval(
            approval_id=approval_id,
            root_id=grant.root_id,
            link_id=grant.holder_id,
            task_id=grant.task.id,
            module=ask.module,
            code=ask.code,
            digest=call.digest,
            payload=seal_prompt(self._keys, approval_id, prompt_for(grant, agent, call, ask)),
            created_at=now,
            expires_at=min(now + self._config.wait_seconds, grant.expires_at),
            uses=ask.uses,
            topic="" if ask.ask_again else _topic(grant, ask, tool),
            workload=agent.id,
            subject=f"{grant.subject.issuer} {grant.subject.id}",
            workloads=tuple(
                dict.fromkeys((grant.root_holder, *(link.holder for link in grant.links), agent.id))
            ),
            group_id=batch.group_of(grant, ask) if batch is not None else "",
        )
        kept = await self._state.ask(approval, limits=self._limits)
        if kept is None:
            raise Refused(
                "approvals_exceeded",
                "too many approvals of the workload are pending: in the group, in the task, for the person or in all",
            )
        if kept.status is ApprovalStatus.DENIED:
            raise Refused(
                "approval_denied",
                f"approval {kept.approval_id[:8]}…: a person refused such a call of this workload, or of one above it",
            )
        await self._tell(Asked(kept, ask, call), approval, grant, batch, now)
        return kept

    async def _tell(
        self, asked: Asked, wanted: Approval, grant: VerifiedGrant, batch: Batch | None, now: float
    ) -> None:
        """Announce a new approval, alone or with its batch; note where a batch's approvals have gone."""
        kept, group = asked.approval, wanted.group_id
        if kept.approval_id == wanted.approval_id:
            if batch is None:
                self._announce((asked,))
            else:
                batch.new(asked)
            return
        elsewhere = kept.status is ApprovalStatus.PENDING and kept.group_id not in {"", group}
        # Approvals of this batch stay where they are if the other group had no room for them.
        if batch and elsewhere and not await self._state.approval_group(group, now=now):
            batch.joined(grant, asked.ask, kept.group_id)


def _merged(asks: Sequence[Ask]) -> list[Ask]:
    """Merge asks of the same module and code, because one approval answers all of them.

    The narrower values win, and the person is told every reason.
    """
    merged: dict[tuple[str, str], Ask] = {}
    reasons: dict[tuple[str, str], dict[str, None]] = {}
    for ask in asks:
        reasons.setdefault((ask.module, ask.code), {})[ask.reason] = None
        other = merged.setdefault((ask.module, ask.code), ask)
        if other == ask:
            continue
        both = tuple(role for role in other.approvers if role in ask.approvers)
        if not both:
            message = f"{ask.module}: two ask elements with the code {ask.code} name different approvers"
            raise Refused("policy_conflict", message)
        merged[ask.module, ask.code] = replace(
            other,
            approvers=both,
            uses=min(other.uses, ask.uses),
            ttl_seconds=min(other.ttl_seconds, ask.ttl_seconds),
            ask_again=other.ask_again and ask.ask_again,
        )
    return [replace(ask, reason=_together(tuple(reasons[key]))) for key, ask in merged.items()]


def _together(reasons: Sequence[str]) -> str:
    """Return reasons as one text. Which of them come first, an agent can choose, so those left out are counted."""
    if len(reasons) == 1:
        return reasons[0]
    lengths = accumulate(map(len, reasons[:MAX_REASONS]))
    fitting = sum(length <= MAX_REASONS_CHARS for length in lengths)
    shown = [f"({number} of {len(reasons)}) {reason}" for number, reason in enumerate(reasons[:fitting], 1)]
    if fitting < len(reasons):
        shown.append(f"({len(reasons) - fitting} more reason(s) aren't shown: read every argument)")
    return "; ".join(shown)


def _topic(grant: VerifiedGrant, ask: Ask, tool: str) -> str:
    """Return the digest of what a refusal closes: the rule and the tool, in this task."""
    return hashlib.sha256(encode([grant.root_id, ask.module, ask.code, tool])).hexdigest()


def _check(approval: Approval, grant: VerifiedGrant, call: ToolCall) -> None:
    shown = f"approval {approval.approval_id[:8]}…"
    if approval.root_id != grant.root_id or approval.link_id not in grant.link_ids:
        raise Refused("approval_invalid", f"{shown} belongs to another task, or to another part of this one")
    if approval.digest != call.digest:
        raise Refused("approval_invalid", f"{shown} belongs to another call")
    if approval.status is ApprovalStatus.DENIED:
        raise Refused("approval_denied", f"{shown}: the approver denied this call")
    if approval.status is not ApprovalStatus.APPROVED:
        raise Refused("approval_invalid", f"{shown} is still pending")
