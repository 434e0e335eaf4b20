"""Caches how tasks stood after this sidecar's last reservation, so that their next call needs no look-up.

A cached state may be out of date. A reservation that was made with it is refused by the store if anything about the
task, or any revocation, has changed since (:attr:`Reservation.unchanged`); a denial is repeated on a looked-up state.
"""

from __future__ import annotations

from collections.abc import Mapping

from tabard_sidecar.facts import Facts, Notes
from tabard_sidecar.state import (
    HISTORY_CALLS,
    Chain,
    PastCall,
    Reservation,
    Reserved,
    TaskState,
)
from tabard_sidecar.util.fifo import FifoDict

_TASKS = 256
# Holders choose how long chains are, and policies how many labels there are.
_LARGEST = 128
_PAUSE_CALLS = 16


class TaskStateCache:
    """Holds one chain per task: the one that was used last.

    An entry is removed when it is taken, so of concurrent calls at most one relies on it. A task on which another sidecar
    works at the same time isn't cached for its next few calls: policy would only be evaluated twice.
    """

    def __init__(self) -> None:
        self._kept: FifoDict[str, tuple[Chain, TaskState]] = FifoDict(_TASKS)
        self._paused: FifoDict[str, int] = FifoDict(_TASKS)

    def take(self, chain: Chain, *, with_calls: bool, revocations: int) -> TaskState | None:
        """Remove and return a chain's state; ``None`` if it is out of date or, with ``with_calls``, lacks the past calls.

        ``revocations`` is the sequence number of the newest revocation that is known.
        """
        kept = self._kept.pop(chain.root_id, None)
        if kept is None or kept[0] != chain:
            return None
        state = kept[1]
        if state.revocations != revocations or (with_calls and not state.with_calls):
            return None
        return state

    def keep(self, before: TaskState, wanted: Reservation, reserved: Reserved) -> None:
        """Cache the state that a reservation left, if nothing else has changed since the state that policy saw."""
        chain = wanted.chain
        if reserved.changes != before.changes + 1 or reserved.revocations != before.revocations:
            return
        if self._pauses(chain.root_id):
            return
        after = _after(before, wanted, reserved)
        if len(chain.link_ids) + len(chain.budgets) + len(after.labels) + len(after.facts) > _LARGEST:
            return
        self._kept[chain.root_id] = chain, after

    def missed(self, root_id: str) -> None:
        """Note that a task's cached state was out of date."""
        self._paused[root_id] = _PAUSE_CALLS

    def forget(self, root_id: str) -> None:
        """Drop a task that is about to be changed by something other than a reservation."""
        self._kept.pop(root_id, None)

    def clear(self) -> None:
        """Drop everything."""
        self._kept.clear()

    def _pauses(self, root_id: str) -> bool:
        if root_id not in self._paused:
            return False
        left = self._paused.pop(root_id)
        if left > 1:
            self._paused[root_id] = left - 1
        return True


def _after(before: TaskState, wanted: Reservation, reserved: Reserved) -> TaskState:
    added = {*wanted.task_labels, *wanted.branch_labels}
    seen = added.union(carried.label for carried in wanted.carried)
    return TaskState(
        known=True,
        children=before.children,
        spent=_spent(before.spent, wanted),
        labels=tuple(sorted(seen.union(before.labels))) if seen else before.labels,
        label_version=reserved.label_version,
        calls=_calls(before, wanted.tool, tuple(sorted(added)), wanted.now) if before.with_calls else (),
        with_calls=before.with_calls,
        revocations=reserved.revocations,
        epoch=reserved.epoch,
        changes=reserved.changes,
        cached=True,
        facts=before.facts if wanted.notes is None else _facts(before.facts, wanted.notes),
    )


def _facts(before: Facts, notes: Notes) -> Facts:
    return before.joined(notes.task).joined(notes.branch)


def _spent(before: Mapping[str, int], wanted: Reservation) -> Mapping[str, int]:
    charges = wanted.charges
    if not charges:
        return before
    spent = dict(before)
    for budget_id, name, _ in wanted.chain.budgets:
        if amount := charges.get(name, 0):
            spent[budget_id] = spent.get(budget_id, 0) + amount
    return spent


def _calls(before: TaskState, tool: str, labels: tuple[str, ...], at: float) -> tuple[PastCall, ...]:
    return (*before.calls, PastCall(tool, labels, at))[-HISTORY_CALLS:]
