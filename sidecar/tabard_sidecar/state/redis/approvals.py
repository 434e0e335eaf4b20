"""Stores approvals and groups of them on a Redis server."""

from __future__ import annotations

from collections.abc import Sequence

from tabard_sidecar.state.approval import Approval, Approver, NotDecided, PendingLimits, Verdict
from tabard_sidecar.state.redis import codec, scripts
from tabard_sidecar.state.redis.codec import milliseconds
from tabard_sidecar.state.redis.link import GRACE_SECONDS, LinkedPart
from tabard_sidecar.state.redis.replies import understood

_MOST_LISTED = 1_000
_TOKEN_USED = b"token_used"


class RedisApprovals(LinkedPart):
    """Implements the operations of the state store on approvals by scripts."""

    @understood
    async def ask(self, approval: Approval, *, limits: PendingLimits) -> Approval | None:
        """Store a request for approval; see the interface."""
        arguments = {
            "id": approval.approval_id,
            "root": approval.root_id,
            "question": codec.digest(
                approval.root_id, approval.link_id, approval.module, approval.code, approval.digest
            ),
            "record": codec.approval_text(approval),
            "expires": approval.expires_at,
            "uses": approval.uses,
            "topic": approval.topic,
            "link": approval.link_id,
            "workload": approval.workload,
            "workloads": approval.workloads,
            "subject": approval.subject,
            "waiting": [
                (f"task:{codec.digest(approval.root_id, approval.workload)}", limits.task, True),
                (f"person:{codec.digest(approval.workload, approval.subject)}", limits.person, False),
                (f"workload:{codec.digest(approval.workload)}", limits.workload, False),
            ],
            "group": approval.group_id,
            "group_most": limits.group,
            "until_ms": milliseconds(approval.expires_at + GRACE_SECONDS),
        }
        return codec.approval(
            await self._run_timed(scripts.ASK, approval.created_at, arguments, approval.payload)
        )

    @understood
    async def approval(self, approval_id: str, *, now: float) -> Approval | None:
        """Return an approval; see the interface."""
        found = codec.approval(await self._run_timed(scripts.APPROVAL, now, {"id": approval_id}))
        return found if found is not None and found.expires_at > now else None

    @understood
    async def approvals(self, *, now: float, pending_only: bool = True) -> Sequence[Approval]:
        """Return approvals; see the interface."""
        arguments = {"now": now, "pending_only": pending_only, "most": _MOST_LISTED}
        return codec.approvals(await self._link.run(scripts.LIST_APPROVALS, arguments))

    @understood
    async def approval_group(
        self, group_id: str, *, now: float, pending_only: bool = True
    ) -> Sequence[Approval]:
        """Return the approvals of a group; see the interface."""
        arguments = {"group": group_id, "pending_only": pending_only}
        found = codec.approvals(await self._run_timed(scripts.APPROVAL_GROUP, now, arguments))
        return sorted(found, key=lambda one: (one.created_at, one.approval_id))

    @understood
    async def decide_approvals(
        self, group_id: str, verdicts: Sequence[Verdict], *, approver: Approver, now: float
    ) -> Sequence[Approval] | NotDecided:
        """Decide a group; see the interface."""
        arguments = {
            "group": group_id,
            "verdicts": [
                (
                    verdict.approval_id,
                    "approved" if verdict.approved else "denied",
                    verdict.expires_at,
                    milliseconds(verdict.expires_at + GRACE_SECONDS),
                )
                for verdict in verdicts
            ],
            **_deciding(approver),
        }
        found = await self._run_timed(scripts.DECIDE_APPROVALS, now, arguments, durable=True)
        if found == _TOKEN_USED:
            return NotDecided.TOKEN_USED
        return codec.approvals(found) or NotDecided.CHANGED

    @understood
    async def decide_approval(
        self, approval_id: str, *, approved: bool, approver: Approver, now: float, expires_at: float
    ) -> Approval | NotDecided:
        """Decide an approval; see the interface."""
        arguments = {
            "id": approval_id,
            "status": "approved" if approved else "denied",
            "expires": expires_at,
            "until_ms": milliseconds(expires_at + GRACE_SECONDS),
            **_deciding(approver),
        }
        found = await self._run_timed(scripts.DECIDE_APPROVAL, now, arguments, durable=True)
        if found == _TOKEN_USED:
            return NotDecided.TOKEN_USED
        return codec.approval(found) or NotDecided.CHANGED


def _deciding(approver: Approver) -> dict[str, object]:
    """Return the arguments of who decides."""
    return {
        "approver": approver.name,
        "token": codec.digest(approver.token),
        "token_expires": approver.token_expires_at,
        "token_until_ms": milliseconds(approver.token_expires_at + GRACE_SECONDS),
    }
