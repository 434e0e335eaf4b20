"""Reserves what an allowed call takes: charges, labels, facts, uses of approvals, an entry in the task's history."""

from __future__ import annotations

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.grants import IndexedGrant
from tabard_sidecar.interfaces import Clock
from tabard_sidecar.model import PolicyDecision
from tabard_sidecar.pipeline.issuing import PendingCredential
from tabard_sidecar.pipeline.requests import VerifiedCall
from tabard_sidecar.pipeline.store_epoch import StoreEpoch
from tabard_sidecar.pipeline.task_state_cache import TaskStateCache
from tabard_sidecar.pipeline.task_states import task_ended
from tabard_sidecar.state import Reservation, Reserved, ReserveState, StateStore, TaskState
from tabard_sidecar.state.store import LABELS_PER_HOLDER, no_work

MOST_EVALUATIONS = 32
"""How often policy is evaluated because the task changed meanwhile. Within a sidecar such calls take turns, so only as many
others compete with a call as there are sidecars that work for the task at once."""


class Reservations:
    """Reserves and releases.

    Args:
        state: the zone's state store.
        cache: where the state that a reservation leaves is kept for the task's next call.
        epoch: detects a store that lost data.
        clock: time in seconds since the epoch.
    """

    def __init__(self, state: StateStore, cache: TaskStateCache, epoch: StoreEpoch, clock: Clock) -> None:
        self._state = state
        self._cache = cache
        self._epoch = epoch
        self._clock = clock

    async def reserve(
        self,
        call: VerifiedCall,
        seen: TaskState,
        decision: PolicyDecision,
        decision_id: str,
        credential: PendingCredential | None,
    ) -> Reserved:
        """Reserve what an allowed call takes, all or nothing.

        The result is CHANGED if the task's state differs from ``seen``. A call that takes nothing isn't
        stored if its policy never reads history. The credential may be computed while the store answers.

        Raises:
            Refused: ``state_rolled_back``, the store has lost acknowledged writes.
            NoDecision: the store is out of reach.
        """
        labels = task_labels(call, decision)
        kept = call.policy.reads_history or bool(call.grant.budgets) or bool(call.policy.facts)
        takes = (
            any(decision.charges.values())
            or labels
            or decision.branch_labels
            or seen.carried
            or call.approvals
            or decision.notes is not None
        )
        if not takes and not kept:
            # Without a write nothing confirms that a cached state is still the current one.
            return Reserved(ReserveState.CHANGED if seen.cached else ReserveState.DONE)
        wanted = self._reservation(call, seen, decision, labels, decision_id, credential)
        before = self._epoch.highest
        reserved = await self._state.reserve(
            wanted, concurrent_work=no_work if credential is None else credential.compute
        )
        if reserved.state is ReserveState.DONE:
            await self._epoch.check_write(reserved.epoch, before=before)
            if kept:
                self._cache.keep(seen, wanted, reserved)
        elif reserved.state is ReserveState.CHANGED and seen.cached:
            self._cache.missed(call.grant.root_id)
        return reserved

    async def release(self, decision_id: str, grant: IndexedGrant) -> bool:
        """Release a reservation, because nothing was given; return False if there is none.

        Raises:
            NoDecision: the store is out of reach; then the charge stays.
        """
        self._cache.forget(grant.root_id)
        return await self._state.release(decision_id, grant.root_id)

    def _reservation(  # noqa: PLR0913, PLR0917 - what a reservation is made of
        self,
        call: VerifiedCall,
        seen: TaskState,
        decision: PolicyDecision,
        labels: tuple[str, ...],
        decision_id: str,
        credential: PendingCredential | None,
    ) -> Reservation:
        return Reservation(
            chain=call.grant.chain,
            decision_id=decision_id,
            tool=call.tool.name,
            charges=decision.charges,
            task_labels=labels,
            branch_labels=decision.branch_labels,
            label_version=seen.label_version,
            approvals=tuple(approval.approval_id for approval in call.approvals),
            now=self._clock(),
            audience=credential.request.audience if credential is not None else "",
            usable_until=credential.request.expires_at if credential is not None else 0.0,
            carried=seen.carried,
            unchanged=(seen.changes, seen.revocations) if seen.cached else None,
            epoch=seen.epoch if seen.cached else -1,
            notes=decision.notes,
            shared=credential is not None and credential.request.uses > 1,
        )


def task_labels(call: VerifiedCall, decision: PolicyDecision) -> tuple[str, ...]:
    """Return the labels that a call adds to its task, by policy and by the catalogue, sorted."""
    returned = call.spec.labels if call.spec is not None else ()
    if not returned and not decision.task_labels:
        return ()
    return tuple(sorted({*decision.task_labels, *returned}))


def contended() -> NoDecision:
    """Return the error for a task that changed during every evaluation."""
    return NoDecision(
        "ABORTED", "state_contended", "the task's labels or facts change faster than policy can be evaluated"
    )


def check_budgets_granted(grant: IndexedGrant, decision: PolicyDecision) -> None:
    """Check that every charge names a granted budget.

    Raises:
        Refused: one doesn't.
    """
    if not decision.charges:
        return
    granted = grant.granted_budgets
    for name, amount in decision.charges.items():
        if amount and name not in granted:
            raise Refused(
                "budget_not_granted", f"the call costs {amount} {name}, for which the grant has no budget"
            )


def refusal(grant: IndexedGrant, reserved: Reserved) -> Refused:
    """Return why the store refused a reservation."""
    if reserved.state is ReserveState.ENDED:
        return task_ended(grant, reserved.what)
    if reserved.state is ReserveState.EXHAUSTED:
        budget = next(one for one in grant.budgets if one.budget_id == reserved.what)
        message = f"budget {budget.name!a} of {budget.limit} (caveat {budget.budget_id[:12]}) doesn't have that much left"
        return Refused("budget_exhausted", message)
    if reserved.state is ReserveState.FULL:
        return Refused(
            "labels_exceeded",
            f"this workload has added {LABELS_PER_HOLDER} labels for this person, and the call would add another",
        )
    if reserved.state is ReserveState.FACTS_FULL:
        return Refused("facts_exceeded", f"the task has no room for another fact under {reserved.what!a}")
    if reserved.state is ReserveState.APPROVAL_USED:
        return Refused(
            "approval_used", f"approval {reserved.what} was used as often as it may, or its time is over"
        )
    return Refused("task_unknown", f"the zone's state store doesn't know task {grant.task.id} any more")
