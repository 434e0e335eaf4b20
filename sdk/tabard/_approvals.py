"""The wait for people's approvals, as a generator: it says what to do next, and the client does it."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, TypeAlias

from tabard._decision import Decision
from tabard._model import PendingApproval, Reason
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import types_pb2
from tabard.errors import APPROVAL_REQUIRED, ApprovalRequired, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 2.0
MAX_ROUNDS = 8
"""How often one call may be asked about again. Each time, policy may demand a further approval."""
_GROWTH = 1.5

_DENIED = Reason(
    "approval_denied",
    "a person refused this call",
    "A person refused this call. Do not try it again. Tell the person what you could do instead.",
    next_step="Ask the person who denied the call.",
)
_EXPIRED = Reason(
    "approval_expired",
    "no person decided about this call in time",
    "No person decided about this call in time. Tell the person that it still waits for a decision.",
    next_step="Make the call again, and ask an approver to decide: `tabard approvals list`.",
)

Steps: TypeAlias = Generator[
    authorization_pb.GetApprovalRequest | float,
    authorization_pb.GetApprovalResponse | None,
    tuple[str, tuple[str, ...]],
]
"""Yields requests to send and seconds to wait. Takes the responses, ``None`` where there was none. Returns the call grant
and its discharges."""


def waits(decision: Decision) -> bool:
    """Tell whether a decision is a deny that approvals can change."""
    return not decision.allowed and bool(decision.approvals) and decision.code == APPROVAL_REQUIRED


def required(decision: Decision) -> ApprovalRequired:
    """Return a deny that approvals can change as the error to show."""
    reason = decision.reasons[0]
    return ApprovalRequired(
        APPROVAL_REQUIRED,
        reason.message or reason.code,
        decision_id=decision.decision_id,
        reasons=decision.reasons,
        approvals=decision.approvals,
    )


def required_together(decisions: Sequence[Decision]) -> ApprovalRequired:
    """Return denies of one batch that approvals can change as one error to show, with the approvals of all."""
    if len(decisions) == 1:
        return required(decisions[0])
    return ApprovalRequired(
        APPROVAL_REQUIRED,
        f"{len(decisions)} calls need the approval of a person",
        decision_id=decisions[0].decision_id,
        reasons=tuple(dict.fromkeys(reason for decision in decisions for reason in decision.reasons)),
        approvals=tuple(dict.fromkeys(one for decision in decisions for one in decision.approvals)),
    )


def deadline(seconds: float, clock: Callable[[], float] = time.monotonic) -> float:
    """Return when a wait of ``seconds`` ends.

    Raises:
        InvalidRequest: it is negative.
    """
    if not seconds >= 0:
        raise InvalidRequest("timeout_invalid", f"wait_for_approval must not be negative, not {seconds}")
    return clock() + seconds


def steps(
    decision: Decision,
    until: float,
    clock: Callable[[], float] = time.monotonic,
    *,
    patient: bool | None = None,
) -> Steps:
    """Poll until all approvals are given.

    Args:
        decision: the deny that names the pending approvals.
        until: when to give up, by ``clock``.
        clock: monotonic seconds.
        patient: whether the caller waits at all; by default, whether there is time left.

    Raises:
        ApprovalRequired: an approver refused, or the time is over.
    """
    patient = until > clock() if patient is None else patient
    waiting = list(decision.approvals)
    discharges: dict[str, str] = {}
    pause = FIRST_PAUSE_SECONDS
    while True:
        for approval in waiting:
            if approval.approval_id not in discharges:
                answer = yield _status_request(approval)
                if answer is not None and _approved(answer, decision):
                    discharges[approval.approval_id] = answer.discharge
        if len(discharges) == len(waiting):
            return waiting[0].call_grant, tuple(discharges[approval.approval_id] for approval in waiting)
        left = until - clock()
        if left <= 0:
            raise _failed(_EXPIRED, decision) if patient else required(decision)
        yield min(pause, left)
        pause = min(pause * _GROWTH, LONGEST_PAUSE_SECONDS)


def _status_request(approval: PendingApproval) -> authorization_pb.GetApprovalRequest:
    return authorization_pb.GetApprovalRequest(
        call_grant=approval.call_grant, approval_id=approval.approval_id
    )


def _approved(answer: authorization_pb.GetApprovalResponse, decision: Decision) -> bool:
    if answer.status == types_pb2.APPROVAL_STATUS_PENDING:
        return False
    if answer.status == types_pb2.APPROVAL_STATUS_APPROVED and answer.discharge:
        return True
    # Every other status means that the call wasn't approved.
    raise _failed(_EXPIRED if answer.status == types_pb2.APPROVAL_STATUS_EXPIRED else _DENIED, decision)


def _failed(reason: Reason, decision: Decision) -> ApprovalRequired:
    return ApprovalRequired(
        reason.code,
        f"{reason.message}. {reason.next_step}",
        decision_id=decision.decision_id,
        reasons=(reason,),
        approvals=decision.approvals,
    )
