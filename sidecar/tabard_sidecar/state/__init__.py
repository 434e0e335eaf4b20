"""The zone's shared state: idempotency, single use, tasks with budgets and labels, revocations, approvals."""

from tabard_sidecar.state.conf import StateConfig
from tabard_sidecar.state.model import (
    Approval,
    ApprovalStatus,
    Chain,
    Child,
    Claim,
    ClaimState,
    Outcome,
    OutcomeState,
    PastCall,
    Reservation,
    Reserved,
    ReserveState,
    Revocation,
    RevocationKind,
    TaskRecord,
    TaskState,
    Tree,
)
from tabard_sidecar.state.store import CLAIM_SECONDS, HISTORY_CALLS, KEPT_CALLS, StateStore

__all__ = [
    "CLAIM_SECONDS",
    "HISTORY_CALLS",
    "KEPT_CALLS",
    "Approval",
    "ApprovalStatus",
    "Chain",
    "Child",
    "Claim",
    "ClaimState",
    "Outcome",
    "OutcomeState",
    "PastCall",
    "Reservation",
    "ReserveState",
    "Reserved",
    "Revocation",
    "RevocationKind",
    "StateConfig",
    "StateStore",
    "TaskRecord",
    "TaskState",
    "Tree",
]
