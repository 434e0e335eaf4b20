"""Stores tasks, and reserves their budgets and calls. Every function runs in its caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from functools import cache, lru_cache

from tabard_sidecar.facts import NO_FACTS
from tabard_sidecar.state.labels import LabelsSeen
from tabard_sidecar.state.model import (
    Chain,
    KeptToken,
    PastCall,
    Reservation,
    Reserved,
    ReserveState,
    TaskRecord,
    TaskState,
)
from tabard_sidecar.state.sqlite import facts, labels
from tabard_sidecar.state.store import KEPT_CALLS
from tabard_sidecar.util.jsontext import encode

_NO_LABELS = LabelsSeen()
_CACHED_CALLS = 8_192
# Charged calls are counted when this many calls have passed, which takes about a millisecond.
_CHARGED_CHECK = 1_000
_CHARGE_COLUMNS = 5


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


def open_task(
    connection: sqlite3.Connection,
    task: TaskRecord,
    *,
    labels_since: float,
    token: KeptToken | None,
    brought: Sequence[str],
) -> tuple[str, ...]:
    """Store a task with the labels that it inherits or brings along, and the token that started it."""
    if connection.execute("SELECT 1 FROM tasks WHERE root_id=?", (task.root_id,)).fetchone() is not None:
        return labels.see(connection, Chain((task.root_id,))).labels
    connection.execute(
        "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, 0)",
        (
            task.root_id,
            task.task_id,
            task.subject_issuer,
            task.subject_id,
            task.workload,
            task.purpose,
            task.started_at,
            task.expires_at,
            labels_since,
        ),
    )
    if token is not None:
        connection.execute(
            "INSERT INTO subject_tokens VALUES (?, ?, ?)", (task.root_id, token.sealed, token.expires_at)
        )
    epoch = bump(connection)
    inherited = labels.inherit(connection, task, epoch)
    if not brought:
        return inherited
    labels.add_wide(connection, (), brought, labels.Source(task.root_id, task.started_at, epoch))
    return tuple(sorted({*inherited, *brought}))


def task_state(connection: sqlite3.Connection, chain: Chain, calls: int) -> TaskState:
    """Return the state of a chain's task.

    Labels are read after their version, so a label added between the two makes the reservation ask policy again.
    """
    marks, budgets = _marks(len(chain.link_ids)), [budget.budget_id for budget in chain.budgets]
    owners = _marks(len(chain.owners))
    # Only the number of placeholders varies; identifiers are always parameters.
    ended, children, revocations, spent, epoch, label_version, made, changes, fact_bytes = connection.execute(
        f"SELECT (SELECT target FROM revocations WHERE kind='link' AND target IN ({marks}) LIMIT 1), "  # noqa: S608
        "(SELECT count(*) FROM children WHERE parent_id=?), (SELECT seq FROM sqlite_sequence WHERE name='revocations'), "
        "(SELECT json_group_object(budget_id, amount) FROM spent WHERE root_id=tasks.root_id AND budget_id IN "
        f"({_marks(len(budgets))})), value, max(label_version, coalesce((SELECT max(label_version) FROM owners "
        f"WHERE owner IN ({owners})), 0)), calls, changes, fact_bytes FROM epoch LEFT JOIN tasks ON root_id=?",
        (*chain.link_ids, chain.link_ids[-1], *budgets, *chain.owners, chain.root_id),
    ).fetchone()
    known = made is not None
    seen = labels.see(connection, chain) if label_version else _NO_LABELS
    return TaskState(
        known=known,
        ended=ended or "",
        children=children,
        spent=json.loads(spent) if known and budgets else {},
        labels=seen.labels,
        label_version=label_version or 0,
        carried=seen.carried,
        calls=_calls(connection, chain.root_id, calls) if made and calls else (),
        with_calls=calls > 0,
        revocations=revocations or 0,
        epoch=epoch,
        changes=changes or 0,
        facts=facts.see(connection, chain.link_ids) if fact_bytes else NO_FACTS,
    )


def _calls(connection: sqlite3.Connection, root_id: str, count: int) -> tuple[PastCall, ...]:
    rows = connection.execute(
        "SELECT tool, labels, at FROM calls WHERE root_id=? ORDER BY number DESC LIMIT ?", (root_id, count)
    ).fetchall()
    return tuple([_past_call(*row) for row in reversed(rows)])


@lru_cache(maxsize=_CACHED_CALLS)
def _past_call(tool: str, added: str, at: float) -> PastCall:
    return PastCall(tool, tuple(json.loads(added)) if added else (), at)


def reserve(connection: sqlite3.Connection, wanted: Reservation) -> Reserved:
    """Make the reservation of one call.

    Raises:
        NotReserved: it was refused; the transaction has to be rolled back.
    """
    chain = wanted.chain
    # A task that hasn't changed wasn't ended, so its links needn't be checked.
    links = () if wanted.unchanged is not None else chain.link_ids
    query, seen = _task_query(len(links), len(chain.owners)), (wanted.epoch, wanted.label_version)
    task = connection.execute(query, (*seen, *chain.owners, *links, chain.root_id)).fetchone()
    if task is None:
        raise NotReserved(Reserved(ReserveState.UNKNOWN))
    label_version, number, changes, ended, revocations, epoch = task
    if ended is not None:
        raise NotReserved(Reserved(ReserveState.ENDED, ended))
    if label_version != wanted.label_version or wanted.unchanged not in {None, (changes, revocations or 0)}:
        raise NotReserved(Reserved(ReserveState.CHANGED))
    charged = _charge(connection, wanted)
    _use_approvals(connection, wanted)
    grew, noted = False, ""
    if wanted.task_labels or wanted.branch_labels or wanted.carried:
        try:
            grew = labels.add(connection, wanted, epoch + 1)
        except labels.TooManyLabels:
            raise NotReserved(Reserved(ReserveState.FULL)) from None
    if wanted.notes is not None:
        try:
            changed, held = facts.note(connection, chain.root_id, wanted.fact_rows, epoch + 1)
        except facts.TooManyFacts as full:
            raise NotReserved(Reserved(ReserveState.FACTS_FULL, full.name)) from None
        grew, noted = grew or changed, facts.CallFacts(held, wanted.backend_notes).text()
    _add_call(connection, wanted, number + 1, charged, noted)
    done = Reserved(
        ReserveState.DONE,
        epoch=epoch + 1,
        changes=changes + 1,
        label_version=epoch + 1 if grew else label_version,
        revocations=revocations or 0,
    )
    connection.execute(
        "UPDATE tasks SET calls=?, changes=? WHERE root_id=?", (number + 1, done.changes, chain.root_id)
    )
    connection.execute("UPDATE epoch SET value=?", (done.epoch,))
    return done


def _charge(connection: sqlite3.Connection, wanted: Reservation) -> list[tuple[str, str, int, int]]:
    """Charge every budget of the chain that a charge names; return id, name, limit and amount of every budget."""
    charges, root_id = wanted.charges, wanted.chain.root_id
    charged: list[tuple[str, str, int, int]] = []
    wants: list[str | int] = []
    for budget_id, name, limit in wanted.chain.budgets:
        amount = charges.get(name, 0)
        charged.append((budget_id, name, limit, amount))
        if amount > limit:
            raise NotReserved(Reserved(ReserveState.EXHAUSTED, budget_id))
        if amount:
            wants += (root_id, budget_id, amount, name, limit)
    if wants:
        budgets = len(wants) // _CHARGE_COLUMNS
        if connection.execute(_charge_statement(budgets), wants).rowcount != budgets:
            raise NotReserved(Reserved(ReserveState.EXHAUSTED, _exhausted(connection, root_id, charged)))
    return charged


def _exhausted(
    connection: sqlite3.Connection, root_id: str, charged: Sequence[tuple[str, str, int, int]]
) -> str:
    """Return the id of the first budget that doesn't have enough left, after undoing what the others were charged.

    ``RETURNING`` in the statement would tell it, too, at ten times the time of every call that is allowed.
    """
    connection.execute("ROLLBACK")
    connection.execute("BEGIN IMMEDIATE")
    spent = dict(
        connection.execute("SELECT budget_id, amount FROM spent WHERE root_id=?", (root_id,)).fetchall()
    )
    wants = [(budget_id, limit - amount) for budget_id, _, limit, amount in charged if amount]
    # None is left if another process has given something back in between.
    return next((budget_id for budget_id, most in wants if spent.get(budget_id, 0) > most), wants[-1][0])


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
    noted: str,
) -> None:
    added = sorted({*wanted.task_labels, *wanted.branch_labels})
    connection.execute(
        "INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?)",
        (
            wanted.chain.root_id,
            number,
            wanted.decision_id,
            wanted.chain.link_ids[-1],
            wanted.tool,
            encode(added).decode() if added else "",
            encode(charged).decode() if charged else "",
            encode(wanted.approvals).decode() if wanted.approvals else "",
            wanted.audience,
            wanted.now,
            wanted.usable_until,
            noted,
            wanted.shared,
        ),
    )
    if number > KEPT_CALLS:
        _forget_calls(connection, wanted.chain.root_id, number - KEPT_CALLS)


def _forget_calls(connection: sqlite3.Connection, root_id: str, oldest: int) -> None:
    """Forget the call of a number unless it was charged or noted facts; and at times, the oldest of too many of those."""
    connection.execute(
        "DELETE FROM calls WHERE root_id=? AND number=? AND facts='' AND NOT EXISTS "
        "(SELECT 1 FROM json_each(iif(charges='', '[]', charges)) WHERE json_extract(value, '$[3]')>0)",
        (root_id, oldest),
    )
    if oldest % _CHARGED_CHECK == 0:
        connection.execute(
            "DELETE FROM calls WHERE root_id=? AND number<=(SELECT number FROM calls WHERE root_id=? AND number<=? "
            "ORDER BY number DESC LIMIT 1 OFFSET ?)",
            (root_id, root_id, oldest, KEPT_CALLS),
        )


def call_number(
    connection: sqlite3.Connection, root_id: str, decision_id: str, *, newest: int | None = None
) -> int | None:
    """Return the number of a decision's call; if ``newest`` is given, only if it is among that many of the task.

    Calls aren't indexed by decision: an index would make every write of a call a tenth slower.
    """
    row = connection.execute(
        "SELECT number FROM calls WHERE root_id=? AND number>(SELECT calls FROM tasks WHERE root_id=?)-? "
        "AND decision_id=? ORDER BY number DESC LIMIT 1",
        (root_id, root_id, 2**53 if newest is None else newest, decision_id),
    ).fetchone()
    return None if row is None else int(row[0])


def release(connection: sqlite3.Connection, decision_id: str, root_id: str, number: int) -> None:
    """Undo the charges, approvals and facts of a call for which no credential was issued."""
    row = connection.execute(
        "SELECT charges, approvals, facts FROM calls WHERE root_id=? AND number=? AND decision_id=?",
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
    epoch = bump(connection)
    if row[2]:
        facts.take_back(connection, root_id, facts.call_facts(row[2]).held, epoch)


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
def _task_query(links: int, owners: int) -> str:
    """Return the query of a task. In the epoch in which policy saw it, no label was added since: owners aren't looked up."""
    return (
        "SELECT CASE value WHEN ? THEN ? ELSE max(label_version, coalesce((SELECT max(label_version) FROM owners "  # noqa: S608
        f"WHERE owner IN ({_marks(owners)})), 0)) END, calls, changes, "
        "(SELECT target FROM revocations WHERE kind='link' AND target IN "
        f"({_marks(links)}) LIMIT 1), (SELECT seq FROM sqlite_sequence WHERE name='revocations'), value "
        "FROM tasks JOIN epoch WHERE root_id=?"
    )


@cache
def _charge_statement(budgets: int) -> str:
    """Return one statement that charges ``budgets`` budgets; a statement for each takes twice as long.

    A budget without a row hasn't been charged yet. The update of a row does nothing if it would pass the limit.
    """
    return (
        f"INSERT INTO spent VALUES {','.join([f'({_marks(_CHARGE_COLUMNS)})'] * budgets)} ON CONFLICT (root_id, budget_id) "  # noqa: S608
        "DO UPDATE SET amount=amount+excluded.amount WHERE amount+excluded.amount<=excluded.most"
    )
