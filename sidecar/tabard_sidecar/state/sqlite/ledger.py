"""What tasks did: budgets, labels and calls. Every function works in its caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tabard_sidecar.state.model import (
    Chain,
    Outcome,
    OutcomeState,
    PastCall,
    Reservation,
    Reserved,
    ReserveState,
    Standing,
    TaskRecord,
)
from tabard_sidecar.state.store import KEPT_CALLS, LABELS_PER_TASK

_TASK_WIDE = ""


class NotReserved(Exception):
    """Ends a reservation's transaction so that nothing of it stays."""

    def __init__(self, answer: Reserved) -> None:
        super().__init__(answer)
        self.answer = answer


class NotReported(Exception):
    """Ends an outcome's transaction so that nothing of it stays."""

    def __init__(self, state: OutcomeState) -> None:
        super().__init__(state)
        self.state = state


def bump(connection: sqlite3.Connection) -> int:
    """Move the zone's epoch on, as every write does, and return it."""
    return int(connection.execute("UPDATE epoch SET value = value + 1 RETURNING value").fetchone()[0])


def open_task(connection: sqlite3.Connection, task: TaskRecord, *, labels_since: float) -> tuple[str, ...]:
    """Remember a task with the labels that it inherits."""
    if connection.execute("SELECT 1 FROM tasks WHERE root_id=?", (task.root_id,)).fetchone() is not None:
        return _labels(connection, Chain((task.root_id,)))
    rows = connection.execute(
        "SELECT label, max(at) FROM labels JOIN tasks USING (root_id) WHERE subject_issuer=? AND subject_id=? "
        "AND workload=? AND link_id='' AND at>=? GROUP BY label ORDER BY label",
        (task.subject_issuer, task.subject_id, task.workload, labels_since),
    ).fetchall()
    connection.execute(
        "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
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
    # With the time at which they were first earned, so that they are carried on for a while and not for ever.
    connection.executemany(
        "INSERT INTO labels VALUES (?, '', ?, ?)", [(task.root_id, label, at) for label, at in rows]
    )
    bump(connection)
    return tuple(label for label, _ in rows)


def standing(connection: sqlite3.Connection, chain: Chain, calls: int) -> Standing:
    """Return how a chain stands."""
    marks = _marks(chain.link_ids)
    # Only the number of placeholders varies: identifiers always travel as parameters.
    ended, children, revocations, epoch = connection.execute(
        f"SELECT (SELECT target FROM revocations WHERE kind='link' AND target IN ({marks}) LIMIT 1), "  # noqa: S608
        "(SELECT count(*) FROM children WHERE parent_id=?), (SELECT seq FROM sqlite_sequence WHERE name='revocations'), "
        "(SELECT value FROM epoch)",
        (*chain.link_ids, chain.link_ids[-1]),
    ).fetchone()
    task = connection.execute(
        "SELECT label_version, calls FROM tasks WHERE root_id=?", (chain.root_id,)
    ).fetchone()
    found = Standing(
        known=task is not None,
        ended=ended or "",
        children=children,
        revocations=revocations or 0,
        epoch=epoch,
    )
    if task is None:
        return found
    label_version, made = task
    return replace(
        found,
        spent=_spent(connection, chain) if chain.budgets else {},
        labels=_labels(connection, chain) if label_version else (),
        label_version=label_version,
        calls=_calls(connection, chain.root_id, calls) if made and calls else (),
    )


def _spent(connection: sqlite3.Connection, chain: Chain) -> dict[str, int]:
    ids = [budget.budget_id for budget in chain.budgets]
    return dict(
        connection.execute(
            f"SELECT budget_id, amount FROM spent WHERE root_id=? AND budget_id IN ({_marks(ids)})",  # noqa: S608
            (chain.root_id, *ids),
        )
    )


def _labels(connection: sqlite3.Connection, chain: Chain) -> tuple[str, ...]:
    rows = connection.execute(
        f"SELECT DISTINCT label FROM labels WHERE root_id=? AND link_id IN ('', {_marks(chain.link_ids)}) "  # noqa: S608
        "ORDER BY label",
        (chain.root_id, *chain.link_ids),
    )
    return tuple(label for (label,) in rows)


def _calls(connection: sqlite3.Connection, root_id: str, count: int) -> tuple[PastCall, ...]:
    rows = connection.execute(
        "SELECT tool, labels, at FROM calls WHERE root_id=? ORDER BY number DESC LIMIT ?", (root_id, count)
    ).fetchall()
    return tuple(
        PastCall(tool, tuple(json.loads(labels)) if labels else (), at) for tool, labels, at in reversed(rows)
    )


def reserve(connection: sqlite3.Connection, wanted: Reservation) -> Reserved:
    """Take what a call takes.

    Raises:
        NotReserved: it can't be had; the transaction has to be rolled back.
    """
    chain = wanted.chain
    task = connection.execute(
        "SELECT label_version, calls FROM tasks WHERE root_id=?", (chain.root_id,)
    ).fetchone()
    if task is None:
        raise NotReserved(Reserved(ReserveState.UNKNOWN))
    label_version, number = task
    if label_version != wanted.label_version:
        raise NotReserved(Reserved(ReserveState.CHANGED))
    ended = connection.execute(
        f"SELECT target FROM revocations WHERE kind='link' AND target IN ({_marks(chain.link_ids)}) LIMIT 1",  # noqa: S608
        chain.link_ids,
    ).fetchone()
    if ended is not None:
        raise NotReserved(Reserved(ReserveState.ENDED, ended[0]))
    charged = _charge(connection, wanted)
    _use_approvals(connection, wanted)
    _add_call(connection, wanted, number + 1, charged)
    added = _add_labels(connection, chain.root_id, _TASK_WIDE, wanted.task_labels, wanted.now)
    added += _add_labels(connection, chain.root_id, chain.link_ids[-1], wanted.branch_labels, wanted.now)
    if added and _crowded(connection, chain.root_id):
        raise NotReserved(Reserved(ReserveState.FULL))
    connection.execute(
        "UPDATE tasks SET calls=?, label_version=? WHERE root_id=?",
        (number + 1, label_version + bool(added), chain.root_id),
    )
    return Reserved(ReserveState.DONE, epoch=bump(connection))


def _charge(connection: sqlite3.Connection, wanted: Reservation) -> list[tuple[str, str, int, int]]:
    """Charge every budget of the chain that a charge names; return id, name, limit and amount of all budgets."""
    charged = []
    for budget in wanted.chain.budgets:
        amount = wanted.charges.get(budget.name, 0)
        charged.append((budget.budget_id, budget.name, budget.limit, amount))
        if not amount:
            continue
        row = connection.execute(
            "SELECT amount FROM spent WHERE root_id=? AND budget_id=?",
            (wanted.chain.root_id, budget.budget_id),
        ).fetchone()
        spent = (row[0] if row is not None else 0) + amount
        if spent > budget.limit:
            raise NotReserved(Reserved(ReserveState.EXHAUSTED, budget.budget_id))
        _set_spent(connection, wanted.chain.root_id, budget.budget_id, spent)
    return charged


def _set_spent(connection: sqlite3.Connection, root_id: str, budget_id: str, amount: int) -> None:
    connection.execute("INSERT OR REPLACE INTO spent VALUES (?, ?, ?)", (root_id, budget_id, amount))


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
            json.dumps(labels) if labels else "",
            json.dumps(charged) if charged else "",
            json.dumps(wanted.approvals) if wanted.approvals else "",
            wanted.audience,
            wanted.now,
        ),
    )
    if number > KEPT_CALLS:
        connection.execute(
            "DELETE FROM calls WHERE root_id=? AND number<=?", (wanted.chain.root_id, number - KEPT_CALLS)
        )


def _add_labels(
    connection: sqlite3.Connection, root_id: str, link_id: str, labels: Iterable[str], at: float
) -> int:
    """Add labels that aren't there yet and return how many were new."""
    return sum(
        connection.execute(
            "INSERT OR IGNORE INTO labels VALUES (?, ?, ?, ?)", (root_id, link_id, label, at)
        ).rowcount
        for label in labels
    )


def _crowded(connection: sqlite3.Connection, root_id: str) -> bool:
    (count,) = connection.execute("SELECT count(*) FROM labels WHERE root_id=?", (root_id,)).fetchone()
    return bool(count > LABELS_PER_TASK)


def release(connection: sqlite3.Connection, decision_id: str, root_id: str) -> None:
    """Give back charges and approvals of a call for which issuing never began."""
    row = connection.execute(
        "SELECT charges, approvals FROM calls WHERE decision_id=? AND root_id=?", (decision_id, root_id)
    ).fetchone()
    if row is None:
        return
    for budget_id, _, _, amount in json.loads(row[0] or "[]"):
        _lower(connection, root_id, budget_id, amount)
    connection.executemany(
        "UPDATE approvals SET uses=uses+1 WHERE approval_id=?",
        [(approval_id,) for approval_id in json.loads(row[1] or "[]")],
    )
    connection.execute("DELETE FROM calls WHERE decision_id=?", (decision_id,))
    bump(connection)


def _lower(connection: sqlite3.Connection, root_id: str, budget_id: str, amount: int) -> None:
    connection.execute(
        "UPDATE spent SET amount=max(0, amount-?) WHERE root_id=? AND budget_id=?",
        (amount, root_id, budget_id),
    )


def report(connection: sqlite3.Connection, outcome: Outcome) -> OutcomeState:
    """Count what a call turned out to cost, and add its labels.

    Raises:
        NotReported: the task would have too many labels; the transaction has to be rolled back.
    """
    row = connection.execute(
        "SELECT charges, refunded, audience FROM calls WHERE decision_id=? AND root_id=? AND link_id=?",
        (outcome.decision_id, outcome.root_id, outcome.link_id),
    ).fetchone()
    if row is None:
        return OutcomeState.UNKNOWN
    charged = json.loads(row[0] or "[]")
    if any(outcome.refunded.values()) and outcome.audience != row[2]:
        return OutcomeState.FOREIGN
    problem = _refund_problem(charged, outcome.refunded, refunded=bool(row[1]))
    if problem is not None:
        return problem
    for budget_id, name, limit, _ in charged:
        # Never past the limit: what is spent beyond can't be un-spent, and a budget that is used up says so already.
        connection.execute(
            "INSERT INTO spent VALUES (?, ?, min(?, ?)) ON CONFLICT (root_id, budget_id) "
            "DO UPDATE SET amount=max(amount, min(?, amount+?))",
            (
                outcome.root_id,
                budget_id,
                limit,
                outcome.raised.get(name, 0),
                limit,
                outcome.raised.get(name, 0),
            ),
        )
        _lower(connection, outcome.root_id, budget_id, outcome.refunded.get(name, 0))
    if any(outcome.refunded.values()):
        connection.execute("UPDATE calls SET refunded=1 WHERE decision_id=?", (outcome.decision_id,))
    if _add_labels(connection, outcome.root_id, _TASK_WIDE, outcome.labels, outcome.now):
        if _crowded(connection, outcome.root_id):
            raise NotReported(OutcomeState.FULL)
        connection.execute(
            "UPDATE tasks SET label_version=label_version+1 WHERE root_id=?", (outcome.root_id,)
        )
    bump(connection)
    return OutcomeState.DONE


def _refund_problem(
    charged: Sequence[tuple[str, str, int, int]], refunds: Mapping[str, int], *, refunded: bool
) -> OutcomeState | None:
    amounts = {name: amount for _, name, _, amount in charged}
    for name, amount in refunds.items():
        if not amount:
            continue
        if refunded:
            return OutcomeState.REFUNDED
        if amount > amounts.get(name, 0):
            return OutcomeState.TOO_MUCH
    return None


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
