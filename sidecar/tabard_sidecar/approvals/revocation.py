"""Rejects approvals by revoked approvers, past and present."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.errors import Refused
from tabard_sidecar.model import Agent, Subject

if TYPE_CHECKING:
    from tabard_sidecar.interfaces import Revocations


async def check_approver(
    revocations: Revocations, agent_id: str, person: Subject, *, since: float, now: float
) -> None:
    """Check that neither an approver nor the requesting agent is revoked.

    Args:
        revocations: checks whether people and workloads are revoked.
        agent_id: the workload that requested the approval, a SPIFFE ID.
        person: the approver.
        since: when the approver's token was issued, or when they decided, in seconds since the epoch.
        now: seconds since the epoch.

    Raises:
        Refused: ``approver_revoked``, ``agent_revoked`` or ``revocation_state_stale``.
        NoDecision: the state store is unavailable.
    """
    try:
        await revocations.check_start(Agent(agent_id, ""), person, issued_at=since, now=now)
    except Refused as refusal:
        if refusal.code != "subject_revoked":
            raise
        raise Refused("approver_revoked", "the approver was revoked after that") from None
