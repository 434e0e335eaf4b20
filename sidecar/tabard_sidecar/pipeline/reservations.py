"""What a task may still take: the stage between the policy's answer and the credential."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from tabard_sidecar.errors import Refused
from tabard_sidecar.grants import PlannedGrant
from tabard_sidecar.interfaces import Clock, ToolSpec
from tabard_sidecar.model import MetApproval, PolicyDecision
from tabard_sidecar.pipeline.task_states import TaskStateCache
from tabard_sidecar.state import (
    HISTORY_CALLS,
    Reservation,
    Reserved,
    ReserveState,
    Revocation,
    RevocationKind,
    StateStore,
    TaskState,
)
from tabard_sidecar.state.store import LABELS_PER_TASK, Meanwhile, nothing

_log = logging.getLogger(__name__)

# A store that went back in time is remembered as long as any task of that time can last.
_ROLLBACK_SECONDS = 400 * 24 * 3600.0
ROLLED_BACK = "zone"
"""Target of the revocation that says that the store went back in time."""


class Reservations:
    """Looks up and takes.

    Args:
        state: where the zone remembers.
        clock: time in seconds since the epoch.
        on_rollback: told when the store has lost what it once acknowledged.
    """

    def __init__(self, state: StateStore, clock: Clock, on_rollback: Callable[[], None]) -> None:
        self._state = state
        self._clock = clock
        self._on_rollback = on_rollback
        self._epoch = 0
        self._standings = TaskStateCache()

    def remembered(self, grant: PlannedGrant, *, reads_calls: bool, revocations: int) -> TaskState | None:
        """Return how the chain stood after the last reservation, if that is known, and the last call of its task.

        ``revocations`` is the number of the newest revocation that is known. Nothing may be decided on what this returns
        but what :meth:`reserve` then takes.
        """
        return self._standings.take(grant.chain, with_calls=reads_calls, revocations=revocations)

    def forget(self, grant: PlannedGrant) -> None:
        """Forget how a task stood, which is about to be changed by something other than a reservation."""
        self._standings.forget(grant.root_id)

    async def standing(self, grant: PlannedGrant, *, reads_calls: bool) -> TaskState:
        """Return how a chain stands.

        Raises:
            Refused: part of it was ended, the store doesn't know the task, or has lost what it acknowledged.
            NoDecision: the store is out of reach.
        """
        seen = self._epoch
        standing = await self._state.look_up(grant.chain, calls=HISTORY_CALLS if reads_calls else 0)
        await self._check_epoch(standing.epoch, seen)
        if standing.ended:
            raise _ended(grant, standing.ended)
        if not standing.known:
            raise Refused(
                "task_unknown",
                f"the zone's state store doesn't know task {grant.task.id}: it was emptied or replaced since",
            )
        return standing

    async def count_children(self, grant: PlannedGrant) -> None:
        """Count the chain's links as children of those before them.

        Raises:
            Refused: a holder has as many children as it may have.
            NoDecision: the store is out of reach.
        """
        if not grant.links:
            return
        # Counted for as long as the task lasts: a copy of the child that expires early doesn't give the place back.
        refused = await self._state.register_children(grant.counted, expires_at=grant.task.expires_at)
        if refused is not None:
            raise Refused(
                "children_exceeded",
                f"holder {refused.parent_id[:12]} may have {refused.limit} children and has that many already",
            )

    async def reserve(  # noqa: PLR0913 - what a call takes has that many sides
        self,
        grant: PlannedGrant,
        verdict: PolicyDecision,
        standing: TaskState,
        *,
        decision_id: str,
        tool: str,
        spec: ToolSpec | None,
        approvals: Sequence[MetApproval],
        reads_history: bool,
        audience: str,
        meanwhile: Meanwhile = nothing,
    ) -> bool:
        """Take what an allowed call takes; False if the task isn't as policy saw it, so that it has to be asked again.

        A call that takes nothing, under a policy that never looks at history, isn't written down. ``meanwhile`` may be
        called while the store is asked.

        Raises:
            Refused: a budget isn't granted or is exhausted, an approval was used up, part of the chain was ended.
            NoDecision: the store is out of reach.
        """
        for name, amount in verdict.charges.items():
            if amount and name not in grant.granted_budgets:
                raise Refused(
                    "budget_not_granted", f"the call costs {amount} {name}, for which the grant has no budget"
                )
        labels = {*verdict.task_labels, *(spec.labels if spec is not None else ())}
        wanted = Reservation(
            chain=grant.chain,
            decision_id=decision_id,
            tool=tool,
            charges=verdict.charges,
            task_labels=tuple(sorted(labels)),
            branch_labels=verdict.branch_labels,
            label_version=standing.label_version,
            approvals=tuple(approval.approval_id for approval in approvals),
            now=self._clock(),
            audience=audience,
            unchanged=(standing.changes, standing.revocations) if standing.remembered else None,
        )
        written = reads_history or bool(grant.budgets)
        takes = (
            any(verdict.charges.values()) or wanted.task_labels or wanted.branch_labels or wanted.approvals
        )
        if not takes and not written:
            # Nothing compares what is remembered with what is.
            return not standing.remembered
        seen = self._epoch
        reserved = await self._state.reserve(wanted, meanwhile=meanwhile)
        if reserved.state is ReserveState.DONE:
            # As it was before this very write, which would hide that another one is missing.
            await self._check_epoch(reserved.epoch - 1, seen)
            self._epoch = max(self._epoch, reserved.epoch)
            if written:
                self._standings.keep(standing, wanted, reserved)
            return True
        if reserved.state is ReserveState.CHANGED:
            if standing.remembered:
                self._standings.missed(grant.root_id)
            return False
        raise _refusal(grant, reserved)

    async def release(self, decision_id: str, grant: PlannedGrant) -> None:
        """Give back what a reservation took: nothing was issued.

        Raises:
            NoDecision: the store is out of reach; then the charge stays.
        """
        await self._state.release(decision_id, grant.root_id)

    async def _check_epoch(self, epoch: int, seen: int) -> None:
        """Notice a store that has lost what it acknowledged. ``seen`` is the highest epoch when the question was sent."""
        if epoch >= seen:
            self._epoch = max(self._epoch, epoch)
            return
        now = self._clock()
        self._standings.clear()
        _log.critical("state store went back in time", extra={"epoch": epoch, "seen": seen})
        self._on_rollback()
        await self._state.revoke(
            Revocation(
                RevocationKind.STATE,
                ROLLED_BACK,
                now,
                now + _ROLLBACK_SECONDS,
                f"the store's epoch went back from {seen} to {epoch}",
            )
        )
        # Not before: until that is written down, every question has to notice.
        self._epoch = epoch
        raise Refused(
            "state_rolled_back", "the state store has lost what it acknowledged; start the task again"
        )


def _ended(grant: PlannedGrant, link_id: str) -> Refused:
    what = "the task" if link_id == grant.root_id else "this part of the task"
    return Refused("task_ended", f"{what} was ended (link {link_id[:12]})")


def _refusal(grant: PlannedGrant, reserved: Reserved) -> Refused:
    if reserved.state is ReserveState.ENDED:
        return _ended(grant, reserved.what)
    if reserved.state is ReserveState.EXHAUSTED:
        budget = next(one for one in grant.budgets if one.budget_id == reserved.what)
        message = f"budget {budget.name!a} of {budget.limit} (caveat {budget.budget_id[:12]}) doesn't have that much left"
        return Refused("budget_exhausted", message)
    if reserved.state is ReserveState.FULL:
        return Refused(
            "labels_exceeded", f"the task has {LABELS_PER_TASK} labels, and the call would add another"
        )
    if reserved.state is ReserveState.APPROVAL_USED:
        return Refused(
            "approval_used", f"approval {reserved.what} was used as often as it may, or its time is over"
        )
    return Refused("task_unknown", f"the zone's state store doesn't know task {grant.task.id} any more")
