"""The state store's interface: the state that the sidecars of a zone share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tabard_sidecar.state.approval import Approval, Approver, NotDecided, PendingLimits, Verdict
from tabard_sidecar.state.leases import LeaseJournal
from tabard_sidecar.state.listing import ANY_TASK, TaskFilter, TaskPage, Tree
from tabard_sidecar.state.model import (
    Chain,
    Child,
    Claim,
    KeptToken,
    Outcome,
    OutcomeState,
    Reservation,
    Reserved,
    Revocation,
    RevocationKind,
    TaskRecord,
    TaskState,
)

CLAIM_SECONDS = 30.0
"""How long a claim holds if its owner neither completes nor abandons it."""
HISTORY_CALLS = 20
"""How many past calls of a task policies see."""
KEPT_CALLS = 10_000
"""How many past calls of a task are kept, for outcomes that name them; and as many charged ones that are older."""
LABELS_PER_HOLDER = 256
"""Most labels that one workload may add for one person at a time, and one branch of it; so it can't use up another's."""
REPORTED_PER_HOLDER = 32
"""Most different labels that one workload may report for one person at a time; more become one label."""
KEPT_SECONDS = 3600.0
"""How long an expired task is kept, because new tasks may inherit its labels."""
LEASE_KEPT_SECONDS = 3600.0
"""How long an expired lease is kept: its source may end it later than was noted."""


ConcurrentWork = Callable[[], None]
"""Work to do while waiting for the store's answer. Takes a fraction of a millisecond and never raises."""


def no_work() -> None:
    """Do nothing."""


class StateStore(LeaseJournal, Protocol):
    """State that every sidecar of a zone shares.

    Every method raises :class:`~tabard_sidecar.errors.NoDecision` with ``state_unavailable`` when the store can't
    be read or written; the caller then makes no decision. Times are seconds since the epoch. A write that is called
    durable survives a power cut once the method has returned; every other write survives a killed process.
    """

    async def open(self) -> None:
        """Connect and bring the schema up to date."""
        ...

    async def look(self) -> Sequence[str]:
        """Connect without changing anything, for :meth:`check` and :meth:`close` alone.

        Returns what :meth:`open` would change that an operator should know before, each as a sentence. Refuses what
        :meth:`open` refuses.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...

    async def claim_request(self, key: bytes, body: bytes, *, now: float, expires_at: float) -> Claim:
        """Claim the right to decide a request.

        ``key`` and ``body`` are digests. NEW means that the caller decides and then calls :meth:`complete_request` or
        :meth:`abandon_request`. A claim whose owner died can be claimed again after :data:`CLAIM_SECONDS`.
        """
        ...

    async def complete_request(self, key: bytes, response: bytes, *, expires_at: float) -> None:
        """Store the encrypted response of a claimed request."""
        ...

    async def abandon_request(self, key: bytes) -> None:
        """Give a claim back; nothing was decided."""
        ...

    async def consume(self, name: str, *, limit: int, now: float, expires_at: float) -> bool:
        """Count one use of ``name`` and tell whether it was within ``limit``. Durable.

        A use over the limit isn't counted. The count is deleted after ``expires_at``.
        """
        ...

    async def open_task(
        self,
        task: TaskRecord,
        *,
        labels_since: float,
        token: KeptToken | None = None,
        labels: Sequence[str] = (),
    ) -> tuple[str, ...]:
        """Store a new task and return the labels that it begins with. Durable.

        It inherits the labels that its owner got at or after ``labels_since``, in whichever task. Later on it also sees
        those that its owners get in other tasks. Opening a task twice changes nothing.

        ``token`` is kept until it expires, or the root's link is revoked. ``labels`` are brought from elsewhere: the task
        has them, and so have its owner and all whom the owner's labels reach, as if a call had added them.
        """
        ...

    async def subject_token(self, root_id: str, *, now: float) -> bytes | None:
        """Return the sealed token that was kept when a task was opened; ``None`` if there is none any more."""
        ...

    async def look_up(self, chain: Chain, *, calls: int = HISTORY_CALLS) -> TaskState:
        """Return the state of a chain's task, read at one moment, with at most ``calls`` past calls."""
        ...

    async def reserve(
        self, reservation: Reservation, *, concurrent_work: ConcurrentWork = no_work
    ) -> Reserved:
        """Reserve one allowed call: charge every budget, use up approvals, record the call, add labels.

        One transaction, all or nothing. Refused if the label version isn't current, a link was ended, or the task isn't
        ``unchanged`` although the reservation requires it. The caller has checked that every charged name has a budget
        in the chain.

        A store that waits for a server calls ``concurrent_work`` after sending the request.
        """
        ...

    async def release(self, decision_id: str, root_id: str) -> bool:
        """Undo a reservation except for its labels, because its answer wasn't given. Idempotent.

        Returns False if there is none.
        """
        ...

    async def report(self, outcome: Outcome) -> OutcomeState:
        """Record what a call actually cost, and add its labels.

        Of more reported labels than :data:`REPORTED_PER_HOLDER`, and for everyone but the task and the workload itself,
        only one label remains that says so.
        """
        ...

    async def register_children(
        self, children: Sequence[Child], *, now: float, expires_at: float
    ) -> Child | None:
        """Count children that haven't been seen before, all or none, and let their owners take part in the task.

        An owner that is handed the task gets the labels that those above it see, as of ``now``; the others that take part
        get its labels of whole tasks. Until ``expires_at`` they also get what one of them adds in another task.

        Returns the first one that would exceed its parent's limit, or ``None`` if all are counted.
        """
        ...

    async def ended_at_or_above(self, link_id: str) -> bool:
        """Tell whether a link, or one that it descends from, has been ended.

        Follows the children that were counted, so the link must have been used.
        """
        ...

    async def revoke(self, revocation: Revocation) -> int:
        """Store a revocation and return its sequence number. Durable.

        Ending a task, or a part of it, revokes its link. Revoking again only moves ``at`` and ``expires_at`` forward and
        adds reasons; an operator's revocation of what its holder ended is an operator's from then on.
        """
        ...

    async def lift(self, kind: RevocationKind, target: str) -> bool:
        """Lift a revocation and tell whether there was one. Durable. The revocation of a link can't be lifted."""
        ...

    async def revocations(self, *, after: int = 0) -> Sequence[Revocation]:
        """Return the revocations with a sequence number above ``after``, in order.

        A lifted revocation is listed again under a new number, with ``expires_at`` 0.
        """
        ...

    async def watch(self, after: int, *, timeout_seconds: float) -> bool:
        """Wait until there is a revocation above ``after``; return False after the timeout."""
        ...

    async def ask(self, approval: Approval, *, limits: PendingLimits) -> Approval | None:
        """Store a request for approval.

        Returns the existing approval for the same root, link, module, code and digest if it is pending, or decided and
        still usable; or a denied one of the same topic that a workload of this chain asked for. Returns ``approval`` if
        there is none, or ``None`` if too many are pending.

        If ``approval`` names a group and the existing one is pending, both come to be in one group, if that has room: what is
        pending in the named group moves to the group of the existing one or, if that has none, it joins the named one. The
        returned approval names the group.
        """
        ...

    async def approval(self, approval_id: str, *, now: float) -> Approval | None:
        """Return an approval that hasn't expired.

        It is ENDED while it is pending and a link of its chain is ended, one of its workloads is revoked, or the person
        was revoked after it was requested.
        """
        ...

    async def approvals(self, *, now: float, pending_only: bool = True) -> Sequence[Approval]:
        """Return the approvals that haven't expired and aren't ENDED, oldest first, at most 1,000."""
        ...

    async def approval_group(
        self, group_id: str, *, now: float, pending_only: bool = True
    ) -> Sequence[Approval]:
        """Return the approvals of a group that haven't expired and aren't ENDED, oldest first."""
        ...

    async def decide_approvals(
        self, group_id: str, verdicts: Sequence[Verdict], *, approver: Approver, now: float
    ) -> Sequence[Approval] | NotDecided:
        """Decide exactly the pending approvals of a group, all or none, once; and use up the approver's token. Durable.

        CHANGED if what is pending in the group isn't exactly what the verdicts name, each once. TOKEN_USED if the token
        has been used.
        """
        ...

    async def decide_approval(
        self, approval_id: str, *, approved: bool, approver: Approver, now: float, expires_at: float
    ) -> Approval | NotDecided:
        """Decide a pending approval, once, and use up the approver's token. Durable.

        CHANGED if the approval is no longer pending, or ENDED. TOKEN_USED if the token has been used.
        """
        ...

    async def tasks(self, *, now: float, limit: int = 100, wanted: TaskFilter = ANY_TASK) -> TaskPage:
        """Return tasks that haven't expired, newest first, at most ``limit``.

        A page may hold fewer although the list goes on, because a bounded number of tasks is examined at once.
        """
        ...

    async def tree(self, task_id: str) -> Tree | None:
        """Return a task with everything below it."""
        ...

    async def expire(self, *, now: float) -> int:
        """Delete expired rows, a bounded number at a time; return how many were deleted."""
        ...

    async def check(self) -> Sequence[str]:
        """Return the problems of the store, each as a sentence; empty if there are none."""
        ...

    async def compact(self) -> int:
        """Free unused space; return how many bytes."""
        ...
