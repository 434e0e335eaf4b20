"""Tells polling agents the status of their approvals and hands out discharges."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from tabard import macaroon

from tabard_sidecar.approvals import call_grant as call_grants
from tabard_sidecar.errors import Refused
from tabard_sidecar.grants import identifier
from tabard_sidecar.state import ApprovalStatus
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.grants import IndexedGrant
    from tabard_sidecar.interfaces import AgentIdentitySource, Clock
    from tabard_sidecar.model import Agent, VerifiedGrant
    from tabard_sidecar.state import Approval, StateStore


class Standings(Protocol):
    """Checks whether holders may still act."""

    async def standing(self, agent: Agent, grant: IndexedGrant) -> object:
        """Check that a grant hasn't expired, and that no part of its chain was ended or revoked.

        Raises:
            Refused: it has, or was.
            NoDecision: the state store is out of reach.
        """
        ...


class ApprovalState(StrEnum):
    """Status of an approval, as agents see it."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class ApprovalAnswer:
    """Answer about one approval.

    ``discharge`` is set if and only if the approval is approved; it is secret. ``expires_at`` (seconds since the epoch)
    is when a pending approval expires, or when a decided one can no longer be used; 0 if it has expired.
    """

    state: ApprovalState
    discharge: str = field(default="", repr=False)
    expires_at: float = 0.0


_EXPIRED = ApprovalAnswer(ApprovalState.EXPIRED)


class ApprovalStatusService:
    """Tells agents the status of their approvals and hands out discharges.

    Args:
        state: stores approvals.
        grants: verifies grants and derives the keys of discharges.
        agent: this sidecar's workload, which has to hold the call grant.
        standings: checks that the holder may still act.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        state: StateStore,
        grants: call_grants.Grants,
        agent: AgentIdentitySource,
        standings: Standings,
        clock: Clock,
    ) -> None:
        self._state = state
        self._grants = grants
        self._agent = agent
        self._standings = standings
        self._clock = clock

    async def status(self, call_grant: str, approval_id: str) -> ApprovalAnswer:
        """Return the status of an approval. An unknown one, or one of another grant, is reported as expired.

        Raises:
            Refused: the call grant doesn't verify, isn't one, is held by another workload, has expired or was revoked.
            NoDecision: the state store or the keyring is unavailable, or this sidecar has no identity.
        """
        agent = self._agent.current()
        grant = call_grants.verify_waiting(self._grants, _key_id(call_grant), call_grant)
        if grant.holder != agent.id:
            raise Refused(
                "holder_mismatch", f"the grant is held by {grant.holder}, this workload is {agent.id}"
            )
        await self._standings.standing(agent, grant)
        now = self._clock()
        approval = await self._state.approval(approval_id, now=now)
        if approval is None or not _is_usable(approval, grant, now):
            return _EXPIRED
        if approval.status is ApprovalStatus.PENDING:
            return ApprovalAnswer(ApprovalState.PENDING, expires_at=approval.expires_at)
        if approval.status is not ApprovalStatus.APPROVED:
            return ApprovalAnswer(ApprovalState.DENIED, expires_at=approval.expires_at)
        found = call_grants.approved_discharge(self._grants, grant, call_grant, approval)
        return ApprovalAnswer(ApprovalState.APPROVED, found, approval.expires_at)


def _is_usable(approval: Approval, grant: VerifiedGrant, now: float) -> bool:
    """Tell whether a grant demands an approval that can still be used."""
    return (
        approval.approval_id in call_grants.approval_ids(grant)
        and approval.root_id == grant.root_id
        and approval.status is not ApprovalStatus.ENDED
        and approval.link_id in grant.link_ids
        and now < min(approval.expires_at, grant.expires_at)
        and (approval.uses >= 1 or approval.status is not ApprovalStatus.APPROVED)
    )


def _key_id(call_grant: str) -> str:
    """Return the id of the root key that a grant claims to be made with. Verifies nothing."""
    try:
        return identifier.decode(macaroon.parse(call_grant).identifier).kid
    except macaroon.MacaroonError as error:
        raise Refused("grant_malformed", f"the call grant can't be accepted: {error}") from None
