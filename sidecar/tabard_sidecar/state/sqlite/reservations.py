"""Stores tasks, and reserves their budgets, labels and calls. Every function runs in its caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

from tabard_sidecar.state.model import (
    Chain,
    PastCall,
    Reservation,
    Reserved,
    ReserveState,
    TaskRecord,
    TaskState,
)
from tabard_sidecar.state.store import KEPT_CALLS, LABELS_PER_TASK
from tabard_sidecar.util.jsontext import encode

TASK_WIDE = ""
"""The link of labels that apply to the whole task."""
_CACHED_CALLS = 8_192


class NotReserved(Exception):
    """Rolls back a reservation's transaction."""

    def __init__(self, answer: Reserved) -> None:
        super().__init__(answer)
        self.answer = answer


def bump(connection: sqlite3.Connection) -> int:
    """Increment the zone's epoch, as every write does, and return it."""
    return int(connection.execute("UPDATE epoch SET value = value + 1 RETURNING value").fetchone()[0])


def note_change(connection: sqlite3.Connection, root_id: str) -> None:
    """Count a change of a task's state."""
    connection.execute("UPDATE tasks SET changes=changes+1 WHERE root_id=?", (root_id,))


def open_task(connection: sqlite3.Connection, task: TaskRecord, *, labels_since: float) -> tuple[str, ...]:
    """Store a task with the labels that it inherits, unless they are too many."""
    if connection.execute("SELECT 1 FROM tasks WHERE root_id=?", (task.root_id,)).fetchone() is not None:
        return _labels(connection, Chain((task.root_id,)))
    rows = connection.execute(
        "SELECT label, max(at) FROM labels JOIN tasks USING (root_id) WHERE subject_issuer=? AND subject_id=? "
        "AND workload=? AND link_id='' AND at>=? GROUP BY label ORDER BY label LIMIT ?",
        (task.subject_issuer, task.subject_id, task.workload, labels_since, LABELS_PER_TASK + 1),
    ).fetchall()
    if len(rows) > LABELS_PER_TASK:
        return tuple(label for label, _ in rows)
    connection.execute(
        "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
        (
            task.root_id,
            task.task_id,
            task.subject_issuer,
            task.subject_id,
            task.workload,
            task.purpose,
            task.started_at,
            task.expires_at,
            int(bool(rows)),
        ),
    )
    # Keep the time at which each label was last added, so that inheritance ends some time after it.
    connection.executemany(
        "INSERT INTO labels VALUES (?, '', ?, ?)", [(task.root_id, label, at) for label, at in rows]
    )
    bump(connection)
    return tuple(label for label, _ in rows)


def task_state(connection: sqlite3.Connection, chain: Chain, calls: int) -> TaskState:
    """Return the state of a chain's task.

    Labels are read after their version, so a label added between the two makes the reservation ask policy again.
    """
    marks, budgets = _marks(len(chain.link_ids)), [budget.budget_id for budget in chain.budgets]
    # Only the number of placeholders varies; identifiers are always parameters.
    ended, children, revocations, spent, epoch, label_version, made, changes = connection.execute(
        f"SELECT (SELECT target FROM revocations WHERE kind='link' AND target IN ({marks}) LIMIT 1), "  # noqa: S608
        "(SELECT count(*) FROM children WHERE parent_id=?), (SELECT seq FROM sqlite_sequence WHERE name='revocations'), "
        "(SELECT json_group_object(budget_id, amount) FROM spent WHERE root_id=tasks.root_id AND budget_id IN "
        f"({_marks(len(budgets))})), value, label_version, calls, changes FROM epoch LEFT JOIN tasks ON root_id=?",
        (*chain.link_ids, chain.link_ids[-1], *budgets, chain.root_id),
    ).fetchone()
    known = made is not None
    return TaskState(
        known=known,
        ended=ended or "",
        children=children,
        spent=json.loads(spent) if known and budgets else {},
        labels=_labels(connection, chain) if label_version else (),
        label_version=label_version or 0,
        calls=_calls(connection, chain.root_id, calls) if made and calls else (),
        with_calls=calls > 0,
        revocations=revocations or 0,
        epoch=epoch,
        changes=changes or 0,
    )


def _labels(connection: sqlite3.Connection, chain: Chain) -> tuple[str, ...]:
    rows = connection.execute(
        f"SELECT DISTINCT label FROM labels WHERE root_id=? AND link_id IN ('', {_marks(len(chain.link_ids))}) "  # noqa: S608
        "ORDER BY label",
        (chain.root_id, *chain.link_ids),
    )
    return tuple(label for (label,) in rows)


def _calls(connection: sqlite3.Connection, root_id: str, count: int) -> tuple[PastCall, ...]:
    rows = connection.execute(
        "SELECT tool, labels, at FROM calls WHERE root_id=? ORDER BY number DESC LIMIT ?", (root_id, count)
    ).fetchall()
    return tuple([_past_call(*row) for row in reversed(rows)])


@lru_cache(maxsize=_CACHED_CALLS)
def _past_call(tool: str, labels: str, at: float) -> PastCall:
    return PastCall(tool, tuple(json.loads(labels)) if labels else (), at)


def reserve(connection: sqlite3.Connection, wanted: Reservation) -> Reserved:
    """Make the reservation of one call.

    Raises:
        NotReserved: it was refused; the transaction has to be rolled back.
    """
    chain = wanted.chain
    # A task that hasn't changed wasn't ended, so its links needn't be checked.
    links = () if wanted.unchanged is not None else chain.link_ids
    task = connection.execute(_task_query(len(links)), (*links, chain.root_id)).fetchone()
    if task is None:
        raise NotReserved(Reserved(ReserveState.UNKNOWN))
    label_version, number, changes, ended, revocations, epoch = task
    if ended is not None:
        raise NotReserved(Reserved(ReserveState.ENDED, ended))
    if label_version != wanted.label_version or wanted.unchanged not in {None, (changes, revocations or 0)}:
        raise NotReserved(Reserved(ReserveState.CHANGED))
    charged = _charge(connection, wanted)
    _use_approvals(connection, wanted)
    _add_call(connection, wanted, number + 1, charged)
    added = add_labels(connection, chain.root_id, TASK_WIDE, wanted.task_labels, wanted.now)
    added += add_labels(connection, chain.root_id, chain.link_ids[-1], wanted.branch_labels, wanted.now)
    if added and has_too_many_labels(connection, chain.root_id):
        raise NotReserved(Reserved(ReserveState.FULL))
    done = Reserved(
        ReserveState.DONE,
        epoch=epoch + 1,
        changes=changes + 1,
        label_version=label_version + bool(added),
        revocations=revocations or 0,
    )
    connection.execute(
        "UPDATE tasks SET calls=?, label_version=?, changes=? WHERE root_id=?",
        (number + 1, done.label_version, done.changes, chain.root_id),
    )
    connection.execute("UPDATE epoch SET value=?", (done.epoch,))
    return done


def _charge(connection: sqlite3.Connection, wanted: Reservation) -> list[tuple[str, str, int, int]]:
    """Charge every budget of the chain that a charge names; return id, name, limit and amount of every budget."""
    charges, root_id = wanted.charges, wanted.chain.root_id
    charged = [(one.budget_id, one.name, one.limit, charges.get(one.name, 0)) for one in wanted.chain.budgets]
    wants = [
        (root_id, budget_id, amount, name, limit) for budget_id, name, limit, amount in charged if amount
    ]
    if not wants:
        return charged
    for _, budget_id, amount, _, limit in wants:
        if amount > limit:
            raise NotReserved(Reserved(ReserveState.EXHAUSTED, budget_id))
    paid = connection.execute(
        _charge_statement(len(wants)), [value for want in wants for value in want]
    ).rowcount
    if paid != len(wants):
        raise NotReserved(Reserved(ReserveState.EXHAUSTED, _exhausted(connection, wants)))
    return charged


def _exhausted(connection: sqlite3.Connection, wants: Sequence[tuple[str, str, int, str, int]]) -> str:
    """Return the id of the first budget that would exceed its limit if it were charged again."""
    for root_id, budget_id, amount, _, limit in wants:
        (spent,) = connection.execute(
            "SELECT amount FROM spent WHERE root_id=? AND budget_id=?", (root_id, budget_id)
        ).fetchone()
        if spent + amount > limit:
            return budget_id
    return wants[-1][1]


def _use_approvals(connection: sqlite3.Connection, wanted: Reservation) -> None:
    for approval_id in wanted.approvals:
        used = connection.execute(
            "UPDATE approvals SET uses=uses-1 WHERE approval_id=? AND root_id=? AND status='approved' AND uses>0 "
            "AND expires_at>?",
            (approval_id, wanted.chain.root_id, wanted.now),
        ).rowcount
        if not used:
            raise NotReserved(Reserved(ReserveState.APPROVAL_USED, approval_id))


def _add_call(
    connection: sqlite3.Connection,
    wanted: Reservation,
    number: int,
    charged: Sequence[tuple[str, str, int, int]],
) -> None:
    labels = sorted({*wanted.task_labels, *wanted.branch_labels})
    connection.execute(
        "INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
        (
            wanted.chain.root_id,
            number,
            wanted.decision_id,
            wanted.chain.link_ids[-1],
            wanted.tool,
            encode(labels).decode() if labels else "",
            encode(charged).decode() if charged else "",
            encode(wanted.approvals).decode() if wanted.approvals else "",
            wanted.audience,
            wanted.now,
        ),
    )
    if number > KEPT_CALLS:
        connection.execute(
            "DELETE FROM calls WHERE root_id=? AND number<=?", (wanted.chain.root_id, number - KEPT_CALLS)
        )


def add_labels(
    connection: sqlite3.Connection, root_id: str, link_id: str, labels: Iterable[str], at: float
) -> int:
    """Add labels that aren't there yet and return how many were new."""
    added = 0
    for label in labels:
        new = connection.execute(
            "INSERT OR IGNORE INTO labels VALUES (?, ?, ?, ?)", (root_id, link_id, label, at)
        ).rowcount
        if not new:
            # Added again: later tasks inherit it for as long as a new label.
            connection.execute(
                "UPDATE labels SET at=max(at, ?) WHERE root_id=? AND link_id=? AND label=?",
                (at, root_id, link_id, label),
            )
        added += new
    return added


def has_too_many_labels(connection: sqlite3.Connection, root_id: str) -> bool:
    """Tell whether a task has more labels than it may have."""
    (count,) = connection.execute("SELECT count(*) FROM labels WHERE root_id=?", (root_id,)).fetchone()
    return bool(count > LABELS_PER_TASK)


def call_number(
    connection: sqlite3.Connection, root_id: str, decision_id: str, *, newest: int = KEPT_CALLS
) -> int | None:
    """Return the number of a decision's call if it is among the task's ``newest`` calls.

    Calls aren't indexed by decision: an index would make every write of a call a tenth slower.
    """
    row = connection.execute(
        "SELECT number FROM calls WHERE root_id=? AND number>(SELECT calls FROM tasks WHERE root_id=?)-? "
        "AND decision_id=? ORDER BY number DESC LIMIT 1",
        (root_id, root_id, newest, decision_id),
    ).fetchone()
    return None if row is None else int(row[0])


def release(connection: sqlite3.Connection, decision_id: str, root_id: str, number: int) -> None:
    """Undo the charges and approvals of a call for which no credential was issued."""
    row = connection.execute(
        "SELECT charges, approvals FROM calls WHERE root_id=? AND number=? AND decision_id=?",
        (root_id, number, decision_id),
    ).fetchone()
    if row is None:
        return
    for budget_id, _, _, amount in json.loads(row[0] or "[]"):
        lower(connection, root_id, budget_id, amount)
    connection.executemany(
        "UPDATE approvals SET uses=uses+1 WHERE approval_id=?",
        [(approval_id,) for approval_id in json.loads(row[1] or "[]")],
    )
    connection.execute("DELETE FROM calls WHERE root_id=? AND number=?", (root_id, number))
    note_change(connection, root_id)
    bump(connection)


def lower(connection: sqlite3.Connection, root_id: str, budget_id: str, amount: int) -> None:
    """Give an amount back to a budget."""
    connection.execute(
        "UPDATE spent SET amount=max(0, amount-?) WHERE root_id=? AND budget_id=?",
        (amount, root_id, budget_id),
    )


# Statements vary only in the number of placeholders; identifiers are always parameters.


def _marks(count: int) -> str:
    return ",".join("?" * count)


@cache
def _task_query(links: int) -> str:
    return (
        "SELECT label_version, calls, changes, (SELECT target FROM revocations WHERE kind='link' AND target IN "  # noqa: S608
        f"({_marks(links)}) LIMIT 1), (SELECT seq FROM sqlite_sequence WHERE name='revocations'), value "
        "FROM tasks JOIN epoch WHERE root_id=?"
    )


@cache
def _charge_statement(budgets: int) -> str:
    """Return one statement that charges ``budgets`` budgets; a statement for each takes twice as long.

    A budget without a row hasn't been charged yet. The update of a row does nothing if it would pass the limit.
    """
    return (
        f"INSERT INTO spent VALUES {','.join(['(?,?,?,?,?)'] * budgets)} ON CONFLICT (root_id, budget_id) "  # noqa: S608
        "DO UPDATE SET amount=amount+excluded.amount WHERE amount+excluded.amount<=excluded.most"
    )
