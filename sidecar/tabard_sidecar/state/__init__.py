"""The zone's shared state: idempotency, single use, tasks with budgets and labels, revocations, approvals.

The names below are imported when they are first used, so that reading the configuration doesn't import them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.util.late import late_names

if TYPE_CHECKING:
    from tabard_sidecar.state.approval import (
        Approval,
        ApprovalStatus,
        Approver,
        NotDecided,
        PendingLimits,
        Verdict,
    )
    from tabard_sidecar.state.conf import StateConfig
    from tabard_sidecar.state.listing import Tree
    from tabard_sidecar.state.model import (
        Chain,
        Child,
        Claim,
        ClaimState,
        KeptToken,
        Outcome,
        OutcomeState,
        PastCall,
        Reservation,
        Reserved,
        ReserveState,
        Revocation,
        RevocationKind,
        RevocationOrigin,
        TaskRecord,
        TaskState,
    )
    from tabard_sidecar.state.store import CLAIM_SECONDS, HISTORY_CALLS, KEPT_CALLS, StateStore

__all__ = [
    "CLAIM_SECONDS",
    "HISTORY_CALLS",
    "KEPT_CALLS",
    "Approval",
    "ApprovalStatus",
    "Approver",
    "Chain",
    "Child",
    "Claim",
    "ClaimState",
    "KeptToken",
    "NotDecided",
    "Outcome",
    "OutcomeState",
    "PastCall",
    "PendingLimits",
    "Reservation",
    "ReserveState",
    "Reserved",
    "Revocation",
    "RevocationKind",
    "RevocationOrigin",
    "StateConfig",
    "StateStore",
    "TaskRecord",
    "TaskState",
    "Tree",
    "Verdict",
]

__getattr__ = late_names(
    __name__,
    {
        "CLAIM_SECONDS": "store",
        "HISTORY_CALLS": "store",
        "KEPT_CALLS": "store",
        "Approval": "approval",
        "ApprovalStatus": "approval",
        "Approver": "approval",
        "Chain": "model",
        "Child": "model",
        "Claim": "model",
        "ClaimState": "model",
        "KeptToken": "model",
        "NotDecided": "approval",
        "Outcome": "model",
        "OutcomeState": "model",
        "PastCall": "model",
        "PendingLimits": "approval",
        "Reservation": "model",
        "ReserveState": "model",
        "Reserved": "model",
        "Revocation": "model",
        "RevocationKind": "model",
        "RevocationOrigin": "model",
        "StateConfig": "conf",
        "StateStore": "store",
        "TaskRecord": "model",
        "TaskState": "model",
        "Tree": "listing",
        "Verdict": "approval",
    },
)
