"""The state store's interface: what the sidecars of a zone remember together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tabard_sidecar.state.model import (
    Approval,
    Chain,
    Child,
    Claim,
    Outcome,
    OutcomeState,
    Reservation,
    Reserved,
    Revocation,
    RevocationKind,
    TaskRecord,
    TaskState,
    Tree,
)

CLAIM_SECONDS = 30.0
"""How long a claim outlives an owner that never completed it."""
HISTORY_CALLS = 20
"""How many past calls of a task policies see."""
KEPT_CALLS = 10_000
"""How many past calls of a task are kept, for outcomes that name them."""
LABELS_PER_TASK = 256
"""Most labels that a task may have, those of its branches included."""
KEPT_SECONDS = 3600.0
"""How long an expired task is kept: its labels may be carried on to new tasks for that long."""


Meanwhile = Callable[[], None]
"""What can be done while a store answers. Takes a fraction of a millisecond, and never raises."""


def nothing() -> None:
    """Do nothing meanwhile."""


class StateStore(Protocol):
    """What every sidecar of a zone remembers together.

    Every method raises :class:`~tabard_sidecar.errors.NoDecision` with ``state_unavailable`` when the store can't
    be read or written; the caller then makes no decision. Times are seconds since the epoch. What is said to be durable
    survives a power cut before the method returns; everything else survives a killed process.
    """

    async def open(self) -> None:
        """Connect and bring the schema up to date."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...

    async def claim_request(self, key: bytes, body: bytes, *, now: float, expires_at: float) -> Claim:
        """Claim the right to decide a request.

        ``key`` and ``body`` are digests. NEW means that the caller decides and then calls :meth:`complete_request` or
        :meth:`abandon_request`; a claim whose owner died is given anew after :data:`CLAIM_SECONDS`.
        """
        ...

    async def complete_request(self, key: bytes, response: bytes, *, expires_at: float) -> None:
        """Keep the (encrypted) response of a claimed request."""
        ...

    async def abandon_request(self, key: bytes) -> None:
        """Give a claim back; nothing was decided."""
        ...

    async def consume(self, name: str, *, limit: int, now: float, expires_at: float) -> bool:
        """Count one use of ``name`` and tell whether it was within ``limit``. Durable.

        A use over the limit isn't counted. The count is forgotten after ``expires_at``.
        """
        ...

    async def open_task(self, task: TaskRecord, *, labels_since: float) -> tuple[str, ...]:
        """Remember a new task. Durable.

        It inherits, and this returns, the labels of the whole task that other tasks of the same subject and workload got
        at or after ``labels_since``. Opening a task twice changes nothing. If there are more than
        :data:`LABELS_PER_TASK` the task can't be used, and needn't be remembered.
        """
        ...

    async def look_up(self, chain: Chain, *, calls: int = HISTORY_CALLS) -> TaskState:
        """Return how a chain stands, as of one moment, with at most so many past calls."""
        ...

    async def reserve(self, reservation: Reservation, *, meanwhile: Meanwhile = nothing) -> Reserved:
        """Take what one allowed call takes: charge every budget, use up approvals, note the call, add labels.

        One transaction, all or nothing, and refused if the label version isn't the current one, a link was ended, or the
        task isn't ``unchanged`` although it has to be. The caller has seen to it that every charged name has a budget in
        the chain.

        A store that has to be waited for calls ``meanwhile`` once it was asked.
        """
        ...

    async def release(self, decision_id: str, root_id: str) -> None:
        """Give back everything but the labels that a reservation took: issuing never began. Doing it twice is no error."""
        ...

    async def report(self, outcome: Outcome) -> OutcomeState:
        """Count what a call turned out to cost, and add its labels."""
        ...

    async def register_children(self, children: Sequence[Child], *, expires_at: float) -> Child | None:
        """Count children that haven't been seen before, all or none.

        Returns the first one that would exceed its parent's limit, or ``None`` if all are counted.
        """
        ...

    async def ended_at_or_above(self, link_id: str) -> bool:
        """Tell whether a link, or one that it descends from, has been ended.

        Follows the children that were counted, so the link must have been used.
        """
        ...

    async def revoke(self, revocation: Revocation) -> int:
        """Revoke; ending a task or a part of it is a revocation of its link. Durable.

        Returns its sequence number. Revoking again changes nothing, except that a later ``at`` or ``expires_at`` counts.
        """
        ...

    async def lift(self, kind: RevocationKind, target: str) -> bool:
        """Take a revocation back and tell whether there was one. Durable. Links can't be given back."""
        ...

    async def revocations(self, *, after: int = 0) -> Sequence[Revocation]:
        """Return the revocations with a sequence number above ``after``, in order.

        A lifted one comes again under a new number, with ``expires_at`` 0.
        """
        ...

    async def watch(self, after: int, *, timeout_seconds: float) -> bool:
        """Wait until there is a revocation above ``after``; False if the time is over first."""
        ...

    async def ask(self, approval: Approval, *, max_pending: int) -> Approval | None:
        """Remember a call that waits for a person.

        Returns the one that waits already, or was decided and is of use still, for the same root, link, module, code and
        digest; otherwise this one; or ``None`` if ``max_pending`` of the task wait already.
        """
        ...

    async def approval(self, approval_id: str, *, now: float) -> Approval | None:
        """Return an approval that hasn't expired."""
        ...

    async def approvals(self, *, now: float, pending_only: bool = True) -> Sequence[Approval]:
        """Return the approvals that haven't expired, oldest first, at most 1,000."""
        ...

    async def decide_approval(
        self, approval_id: str, *, approved: bool, approver: str, now: float, expires_at: float
    ) -> Approval | None:
        """Decide about a pending approval, once. Durable. ``None`` if it isn't pending any more."""
        ...

    async def tasks(self, *, now: float, limit: int = 100) -> Sequence[TaskRecord]:
        """Return the tasks that haven't expired, newest first."""
        ...

    async def tree(self, task_id: str) -> Tree | None:
        """Return a task with everything below it."""
        ...

    async def expire(self, *, now: float) -> int:
        """Forget what has expired, a bounded number of rows at a time; return how many went."""
        ...

    async def check(self) -> Sequence[str]:
        """Return what is wrong with the store, each a sentence; nothing if all is well."""
        ...

    async def compact(self) -> int:
        """Give space back that nothing uses; return how many bytes."""
        ...
