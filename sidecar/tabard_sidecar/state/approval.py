"""Requests for a person's approval, as they are stored."""

from __future__ import annotations

from enum import Enum, StrEnum, auto

from tabard_sidecar.util.lean import dataclass


class ApprovalStatus(StrEnum):
    """Status of an approval."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    ENDED = "ended"  # it was pending when its holder was ended or revoked


@dataclass(frozen=True, slots=True)
class Approval:
    """A request for a person's approval of one call.

    Attributes:
        approval_id: unguessable.
        root_id: root of the task.
        link_id: last link of the requesting chain.
        task_id: the task.
        module: policy module whose element asks.
        code: the element's code.
        digest: digest of the call.
        payload: encrypted JSON for the prompt; the store can't read it.
        created_at: when it was requested.
        expires_at: when it stops being pending; once decided, when it can no longer be used.
        uses: how often an approved call may still be made.
        status: pending, approved or denied.
        approver: the person who decided, ``"<issuer> <id>"``.
        decided_at: when it was decided.
        topic: digest of what a refusal closes for the workload that asks and every holder below it, for the rest of the
            task; empty if it closes this call only.
        workload: the workload that asks, a SPIFFE ID.
        subject: the person for whom the task runs, ``"<issuer> <id>"``.
        workloads: every workload of the requesting chain.
        group_id: the group of approvals that a person is shown as one list; empty if the approval is shown alone. It may
            change while the approval is pending.
    """

    approval_id: str
    root_id: str
    link_id: str
    task_id: str
    module: str
    code: str
    digest: str
    payload: bytes
    created_at: float
    expires_at: float
    uses: int
    status: ApprovalStatus = ApprovalStatus.PENDING
    approver: str = ""
    decided_at: float = 0.0
    topic: str = ""
    workload: str = ""
    subject: str = ""
    workloads: tuple[str, ...] = ()
    group_id: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person decides about one approval of a group; ``expires_at`` is when that can no longer be used."""

    approval_id: str
    approved: bool
    expires_at: float


@dataclass(frozen=True, slots=True)
class Approver:
    """The person who decides, with the token that the decision uses up.

    Attributes:
        name: ``"<issuer> <id>"``.
        token: name under which the uses of the token are counted.
        token_expires_at: when the token can no longer be used, in seconds since the epoch.
    """

    name: str
    token: str
    token_expires_at: float


class NotDecided(Enum):
    """Why a decision wasn't stored. Nothing is changed then, and the token isn't used up."""

    CHANGED = auto()  # what waits isn't what the decision is about
    TOKEN_USED = auto()


@dataclass(frozen=True, slots=True)
class PendingLimits:
    """How many approvals may wait at once. Those whose holder was ended or revoked don't count.

    Attributes:
        task: questions of one workload in one task; a group counts as one.
        person: approvals of one workload for one person, over all tasks.
        workload: approvals of one workload.
        group: approvals of one group.
    """

    task: int
    person: int
    workload: int
    group: int
