"""What agents are told about calls that wait: they poll, and nothing waits with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from tabard import macaroon

from tabard_sidecar.approvals import call_grant as call_grants
from tabard_sidecar.errors import Refused
from tabard_sidecar.grants import identifier
from tabard_sidecar.state import ApprovalStatus

if TYPE_CHECKING:
    from tabard_sidecar.interfaces import AgentIdentitySource, Clock
    from tabard_sidecar.model import VerifiedGrant
    from tabard_sidecar.state import Approval, StateStore


class ApprovalState(StrEnum):
    """How an approval stands, as agents are told."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class ApprovalAnswer:
    """What an agent is told about one approval.

    ``discharge`` is set if and only if it is approved and secret. ``expires_at`` (seconds since the epoch) is when it
    stops waiting or being of use; 0 if it is expired.
    """

    state: ApprovalState
    discharge: str = field(default="", repr=False)
    expires_at: float = 0.0


_EXPIRED = ApprovalAnswer(ApprovalState.EXPIRED)


class ApprovalStatusService:
    """Tells agents how their approvals stand and hands the discharges out.

    Args:
        state: where approvals wait.
        grants: verifies grants and knows the keys of discharges.
        agent: this sidecar's workload, which has to hold the call grant.
        clock: seconds since the epoch.
    """

    def __init__(
        self, state: StateStore, grants: call_grants.Grants, agent: AgentIdentitySource, clock: Clock
    ) -> None:
        self._state = state
        self._grants = grants
        self._agent = agent
        self._clock = clock

    async def status(self, call_grant: str, approval_id: str) -> ApprovalAnswer:
        """Tell how an approval stands. One of another grant, or one that doesn't exist, is expired.

        Raises:
            Refused: the call grant doesn't verify, isn't one, or is held by another workload.
            NoDecision: the state store or the keyring is out of reach, or this sidecar has no identity.
        """
        agent = self._agent.current()
        grant = call_grants.verify_waiting(self._grants, _key_id(call_grant), call_grant)
        if grant.holder != agent.id:
            raise Refused(
                "holder_mismatch", f"the grant is held by {grant.holder}, this workload is {agent.id}"
            )
        now = self._clock()
        approval = await self._state.approval(approval_id, now=now)
        if approval is None or not _counts(approval, grant, now):
            return _EXPIRED
        if approval.status is ApprovalStatus.PENDING:
            return ApprovalAnswer(ApprovalState.PENDING, expires_at=approval.expires_at)
        if approval.status is not ApprovalStatus.APPROVED:
            return ApprovalAnswer(ApprovalState.DENIED, expires_at=approval.expires_at)
        found = call_grants.approved_discharge(self._grants, grant, call_grant, approval)
        return ApprovalAnswer(ApprovalState.APPROVED, found, approval.expires_at)


def _counts(approval: Approval, grant: VerifiedGrant, now: float) -> bool:
    """Tell whether an approval is one that a grant demands and is of use still."""
    return (
        approval.approval_id in call_grants.approval_ids(grant)
        and approval.root_id == grant.root_id
        and approval.link_id in grant.link_ids
        and now < min(approval.expires_at, grant.expires_at)
        and (approval.uses >= 1 or approval.status is not ApprovalStatus.APPROVED)
    )


def _key_id(call_grant: str) -> str:
    """Return the id of the root key that a grant says it was made with; nothing is verified yet."""
    try:
        return identifier.decode(macaroon.parse(call_grant).identifier).kid
    except macaroon.MacaroonError as error:
        raise Refused("grant_malformed", f"the call grant can't be accepted: {error}") from None
