"""The SQLite state store."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from tabard_sidecar.state.approval import Approval, Approver, NotDecided, PendingLimits, Verdict
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
from tabard_sidecar.state.rollback import rollback
from tabard_sidecar.state.sqlite import approvals, outcomes, records, reservations, upkeep
from tabard_sidecar.state.sqlite.changes import Changes
from tabard_sidecar.state.sqlite.children import Children
from tabard_sidecar.state.sqlite.file import StateFile
from tabard_sidecar.state.sqlite.leases import SQLiteLeases
from tabard_sidecar.state.store import HISTORY_CALLS, ConcurrentWork, no_work
from tabard_sidecar.util.fifo import FifoDict

_CACHED_STATES = 256
_LARGEST_CACHED = 128
_RECENT_CALLS = 256


class SQLiteStateStore(SQLiteLeases):
    """The :class:`~tabard_sidecar.state.store.StateStore` of one machine.

    Calls and charges survive a killed process. Single use, tasks, revocations, decisions about approvals and their uses
    survive a power cut.
    """

    def __init__(self, path: Path, *, zone: str, busy_timeout_seconds: float = 2.0) -> None:
        self._file = StateFile(
            path, zone=zone, busy_timeout_seconds=busy_timeout_seconds, went_back=self._went_back
        )
        self._changes = Changes(self._file)
        self._children = Children(self._file)
        # Task states, valid as long as the file hasn't changed.
        self._task_states: FifoDict[tuple[Chain, int], TaskState] = FifoDict(_CACHED_STATES)
        self._task_states_version: object = None

    async def open(self) -> None:
        """Open or create the file.

        Raises:
            StateFileError: the file belongs to another zone, is newer than this program, or can't be created.
        """
        await self._file.open()

    async def look(self) -> Sequence[str]:
        """Open the file to look at it alone; see the interface.

        Raises:
            StateFileError: :meth:`open` would refuse the file.
        """
        return self._file.look()

    def _went_back(self, connection: sqlite3.Connection, reason: str) -> None:
        """Revoke every task that was started before, and forget what is cached of another file."""
        records.went_back(connection, rollback(time.time(), reason))
        self._task_states.clear()
        self._task_states_version = None
        self._children.forget()

    async def close(self) -> None:
        """Close the file."""
        self._changes.close()
        self._file.close()

    async def claim_request(self, key: bytes, body: bytes, *, now: float, expires_at: float) -> Claim:
        """Claim a request; see the interface."""
        return await self._file.write(
            lambda c: records.claim_request(c, key, body, now=now, expires_at=expires_at), durable=False
        )

    async def complete_request(self, key: bytes, response: bytes, *, expires_at: float) -> None:
        """Store a response; see the interface."""
        await self._file.write(
            lambda c: c.execute(
                "UPDATE requests SET response=?, expires_at=? WHERE key=?", (response, expires_at, key)
            ),
            durable=False,
        )

    async def abandon_request(self, key: bytes) -> None:
        """Abandon a claim; see the interface."""
        await self._file.write(
            lambda c: c.execute("DELETE FROM requests WHERE key=? AND response IS NULL", (key,)),
            durable=False,
        )

    async def consume(self, name: str, *, limit: int, now: float, expires_at: float) -> bool:
        """Count one use; see the interface."""
        return await self._file.write(
            lambda c: records.consume(c, name, limit=limit, now=now, expires_at=expires_at), durable=True
        )

    async def open_task(
        self,
        task: TaskRecord,
        *,
        labels_since: float,
        token: KeptToken | None = None,
        labels: Sequence[str] = (),
    ) -> tuple[str, ...]:
        """Store a task; see the interface."""
        return await self._file.write(
            lambda c: reservations.open_task(c, task, labels_since=labels_since, token=token, brought=labels),
            durable=True,
        )

    async def subject_token(self, root_id: str, *, now: float) -> bytes | None:
        """Return a task's token; see the interface."""
        rows = self._file.rows(
            "SELECT sealed FROM subject_tokens WHERE root_id=? AND expires_at>?", (root_id, now)
        )
        return rows[0][0] if rows else None

    async def look_up(self, chain: Chain, *, calls: int = HISTORY_CALLS) -> TaskState:
        """Return a chain's task state; see the interface."""
        version = self._file.version()
        if version != self._task_states_version:
            self._task_states.clear()
            self._task_states_version = version
        key = (chain, calls)
        try:
            return self._task_states[key]
        except KeyError:
            task_state = self._file.once(lambda c: reservations.task_state(c, chain, calls))
        # Holders choose how many chains there are and how long they are, so large states aren't cached.
        size = len(chain.link_ids) + len(chain.budgets) + len(task_state.labels) + len(task_state.facts)
        if size <= _LARGEST_CACHED:
            self._task_states[key] = task_state
        return task_state

    async def reserve(
        self,
        reservation: Reservation,
        *,
        concurrent_work: ConcurrentWork = no_work,  # noqa: ARG002 - a file has no waiting time
    ) -> Reserved:
        """Make a call's reservation; see the interface."""
        try:
            # A used approval must stay used after a power cut.
            durable = bool(reservation.approvals)
            return await self._file.write(lambda c: reservations.reserve(c, reservation), durable=durable)
        except reservations.NotReserved as refusal:
            return refusal.answer

    async def release(self, decision_id: str, root_id: str) -> bool:
        """Undo a reservation; see the interface."""
        number = await self._number(root_id, decision_id)
        if number is not None:
            await self._file.write(
                lambda c: reservations.release(c, decision_id, root_id, number), durable=False
            )
        return number is not None

    async def report(self, outcome: Outcome) -> OutcomeState:
        """Record an outcome; see the interface."""
        number = await self._number(outcome.root_id, outcome.decision_id)
        if number is None:
            return OutcomeState.UNKNOWN
        try:
            return await self._file.write(lambda c: outcomes.report(c, outcome, number), durable=False)
        except outcomes.NotReported as refusal:
            return refusal.state

    async def _number(self, root_id: str, decision_id: str) -> int | None:
        """Find the number of a decision's call.

        Older calls are searched in a thread, because agents can name thousands of decisions that don't exist.
        """
        found = self._file.once(
            lambda c: reservations.call_number(c, root_id, decision_id, newest=_RECENT_CALLS)
        )
        if found is not None:
            return found
        return await self._file.in_thread(lambda c: reservations.call_number(c, root_id, decision_id))

    async def register_children(
        self, children: Sequence[Child], *, now: float, expires_at: float
    ) -> Child | None:
        """Count children; see the interface."""
        return await self._children.register(children, now=now, expires_at=expires_at)

    async def ended_at_or_above(self, link_id: str) -> bool:
        """Follow a link's parents; see the interface."""
        rows = self._file.rows(
            "WITH RECURSIVE up(id) AS (VALUES (?) UNION SELECT parent_id FROM children JOIN up ON child_id = up.id) "
            "SELECT 1 FROM revocations WHERE kind='link' AND target IN (SELECT id FROM up) LIMIT 1",
            (link_id,),
        )
        return bool(rows)

    async def revoke(self, revocation: Revocation) -> int:
        """Revoke; see the interface."""
        return await self._file.write(lambda c: records.revoke(c, revocation), durable=True)

    async def lift(self, kind: RevocationKind, target: str) -> bool:
        """Lift a revocation; see the interface."""
        return await self._file.write(lambda c: records.lift(c, kind, target), durable=True)

    async def revocations(self, *, after: int = 0) -> Sequence[Revocation]:
        """Return revocations in order; see the interface."""
        rows = self._file.rows(
            f"SELECT {records.REVOCATION} FROM revocations WHERE seq>? ORDER BY seq",  # noqa: S608
            (after,),
        )
        return [records.revocation(row) for row in rows]

    async def watch(self, after: int, *, timeout_seconds: float) -> bool:
        """Wait for a revocation: look for one after each write to the file; see the interface."""
        statement = "SELECT 1 FROM revocations WHERE seq>? LIMIT 1"
        return await self._changes.seen(lambda: bool(self._file.rows(statement, (after,))), timeout_seconds)

    async def ask(self, approval: Approval, *, limits: PendingLimits) -> Approval | None:
        """Store a request for approval; see the interface."""
        return await self._file.write(lambda c: approvals.ask(c, approval, limits=limits), durable=False)

    async def approval(self, approval_id: str, *, now: float) -> Approval | None:
        """Return an approval; see the interface."""
        return self._file.read(lambda c: approvals.find(c, approval_id, now))

    async def approvals(self, *, now: float, pending_only: bool = True) -> Sequence[Approval]:
        """Return approvals; see the interface."""
        return self._file.read(lambda c: approvals.listed(c, now, pending_only=pending_only))

    async def approval_group(
        self, group_id: str, *, now: float, pending_only: bool = True
    ) -> Sequence[Approval]:
        """Return the approvals of a group; see the interface."""
        return self._file.read(lambda c: approvals.group(c, group_id, now, pending_only=pending_only))

    async def decide_approvals(
        self, group_id: str, verdicts: Sequence[Verdict], *, approver: Approver, now: float
    ) -> Sequence[Approval] | NotDecided:
        """Decide a group; see the interface."""
        return await self._file.write(
            lambda c: approvals.decide_group(c, group_id, verdicts, approver=approver, now=now), durable=True
        )

    async def decide_approval(
        self, approval_id: str, *, approved: bool, approver: Approver, now: float, expires_at: float
    ) -> Approval | NotDecided:
        """Decide an approval; see the interface."""
        return await self._file.write(
            lambda c: approvals.decide(
                c, approval_id, approved=approved, approver=approver, now=now, expires_at=expires_at
            ),
            durable=True,
        )

    async def tasks(self, *, now: float, limit: int = 100, wanted: TaskFilter = ANY_TASK) -> TaskPage:
        """Return tasks; see the interface."""
        return self._file.read(lambda c: upkeep.tasks(c, now, limit, wanted))

    async def tree(self, task_id: str) -> Tree | None:
        """Return a task's tree; see the interface."""
        return self._file.read(lambda c: upkeep.tree(c, task_id))

    async def expire(self, *, now: float) -> int:
        """Delete expired rows; see the interface."""
        return await self._file.write(lambda c: upkeep.expire(c, now), durable=False)

    async def check(self) -> Sequence[str]:
        """Check the file; see the interface."""
        return await self._file.in_thread(upkeep.check)

    async def compact(self) -> int:
        """Free unused space; see the interface."""
        return await self._file.in_thread(upkeep.compact)
