"""Decisions, and the errors that denies become."""

from __future__ import annotations

from tabard._lean import dataclass
from tabard._model import Credential, Obligation, PendingApproval, Reason
from tabard.codes import ClientCode, ReportedCode
from tabard.errors import APPROVAL_REQUIRED, ApprovalRequired, Denied, TabardError


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one request. It is true in a condition only if the operation may proceed.

    Attributes:
        decision_id: identifier in the decision log.
        allowed: the operation may proceed.
        reasons: why; at least one on a deny.
        credential: for this call; ``None`` on a deny and where policy wants none.
        obligations: what the caller must do when it proceeds.
        policy_revision: a keyed digest of the revision of the policy that decided; changes when the policy does.
        reusable: the credential may be used again for an identical call, which still has to be authorized.
        error: set where no decision was made (an item of a batch or stream); ``allowed`` is then false.
        approvals: approvals that the call waits for, on a deny with the code ``approval_required``; or waited for.
    """

    decision_id: str
    allowed: bool
    reasons: tuple[Reason, ...] = ()
    credential: Credential | None = None
    obligations: tuple[Obligation, ...] = ()
    policy_revision: str = ""
    reusable: bool = False
    error: TabardError | None = None
    approvals: tuple[PendingApproval, ...] = ()

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def code(self) -> str:
        """Code of the first reason; empty if there is none."""
        return self.reasons[0].code if self.reasons else ""

    def raise_if_denied(self) -> Decision:
        """Return the decision if it allows.

        Raises:
            Denied: it doesn't.
            TabardError: no decision was made.
        """
        if self.allowed:
            return self
        raise self.error or _denied(self)


def _denied(decision: Decision) -> Denied:
    codes = [reason.code for reason in decision.reasons]
    parts = [_sentence(reason) for reason in decision.reasons]
    message = "; ".join(part for part in parts if part) or "denied without a reason"
    if APPROVAL_REQUIRED in codes or decision.approvals:
        # Of a batch that waited, the code says how the wait ended.
        return ApprovalRequired(
            APPROVAL_REQUIRED if APPROVAL_REQUIRED in codes else codes[0],
            message,
            decision_id=decision.decision_id,
            reasons=decision.reasons,
            approvals=decision.approvals,
        )
    code: ClientCode | ReportedCode = codes[0] if codes else "reason_missing"
    return Denied(code, message, decision_id=decision.decision_id, reasons=decision.reasons)


def _sentence(reason: Reason) -> str:
    head = reason.message or reason.code
    return f"{head.rstrip('.')}. {reason.next_step}" if reason.next_step else head
