"""Lists tasks, deletes expired rows, and checks and compacts the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tabard_sidecar.facts import FactRow
from tabard_sidecar.model import BudgetLimit
from tabard_sidecar.state.listing import TaskFilter, TaskPage, TaskPosition, Tree
from tabard_sidecar.state.model import Child, TaskRecord
from tabard_sidecar.state.sqlite import leases
from tabard_sidecar.state.sqlite.looking import version_of
from tabard_sidecar.state.sqlite.schema import MIGRATIONS
from tabard_sidecar.state.store import KEPT_SECONDS, LEASE_KEPT_SECONDS

_EXPIRE_ROWS = 2_000
_EXPIRE_TASKS = 50
# Clocks differ.
_REACH_SECONDS = 60.0
# A lifted revocation (expires_at 0) stays, because a sidecar that was suspended still has to read it. Rows that deny
# something are kept for a while after they expire: a clock that ran ahead and is set back must not undo them.
_EXPIRING = (
    ("requests", "key", 0.0),
    ("uses", "name", KEPT_SECONDS),
    ("revocations", "seq", KEPT_SECONDS),
    ("children", "(parent_id, child_id)", KEPT_SECONDS),
    ("approvals", "approval_id", 0.0),
    ("reach", "(owner, wide, other)", _REACH_SECONDS),
    ("owners", "owner", KEPT_SECONDS),
    ("owner_labels", "(owner, label)", KEPT_SECONDS),
    ("subject_tokens", "root_id", 0.0),
)
_OF_TASKS = ("spent", "labels", "facts", "calls", "members")
_TASK = "root_id, task_id, subject_issuer, subject_id, workload, purpose, started_at, expires_at"


def tasks(connection: sqlite3.Connection, now: float, limit: int, wanted: TaskFilter) -> TaskPage:
    """Return the wanted tasks that haven't expired, newest first."""
    conditions = ["expires_at>?"]
    values: list[float | str] = [now]
    for column, text in (("subject_id", wanted.subject_id), ("workload", wanted.workload)):
        if text:
            conditions.append(f"{column}=?")
            values.append(text)
    if wanted.after is not None:
        conditions.append("(started_at, root_id)<(?, ?)")
        values += [wanted.after.started_at, wanted.after.root_id]
    rows = connection.execute(
        f"SELECT {_TASK} FROM tasks WHERE {' AND '.join(conditions)} "  # noqa: S608
        "ORDER BY started_at DESC, root_id DESC LIMIT ?",
        (*values, limit),
    )
    found = tuple(TaskRecord(*row) for row in rows)
    last = found[-1] if len(found) == limit else None
    return TaskPage(found, None if last is None else TaskPosition(last.started_at, last.root_id))


def tree(connection: sqlite3.Connection, task_id: str) -> Tree | None:
    """Return a task with everything below it."""
    row = connection.execute(f"SELECT {_TASK}, calls FROM tasks WHERE task_id=?", (task_id,)).fetchone()  # noqa: S608
    if row is None:
        return None
    task = TaskRecord(*row[:-1])
    root = (task.root_id,)
    children = connection.execute(
        "SELECT parent_id, child_id, root_id, holder, sub_agent FROM children WHERE root_id=?", root
    ).fetchall()
    ended = connection.execute(
        "SELECT target FROM revocations WHERE kind='link' AND (target=? OR target IN "
        "(SELECT child_id FROM children WHERE root_id=?)) ORDER BY seq",
        (*root, *root),
    ).fetchall()
    spent = connection.execute(
        "SELECT budget_id, amount, name, most FROM spent WHERE root_id=?", root
    ).fetchall()
    labels = connection.execute(
        "SELECT DISTINCT label FROM labels WHERE root_id=? ORDER BY label", root
    ).fetchall()
    facts = connection.execute(
        "SELECT link_id, name, element, amount FROM facts WHERE root_id=? ORDER BY link_id, name, element",
        root,
    ).fetchall()
    return Tree(
        task,
        tuple(
            Child(parent, child, None, root_id, holder, sub)
            for parent, child, root_id, holder, sub in children
        ),
        tuple(target for (target,) in ended),
        {budget_id: amount for budget_id, amount, _, _ in spent},
        tuple(label for (label,) in labels),
        row[-1],
        # Budgets that an older version charged have no name here.
        {budget_id: BudgetLimit(budget_id, name, most) for budget_id, _, name, most in spent if name},
        tuple(FactRow(*row) for row in facts),
    )


def expire(connection: sqlite3.Connection, now: float) -> int:
    """Delete expired rows, a bounded number at a time."""
    deleted = 0
    for table, key, kept in _EXPIRING:
        columns = key.strip("()")
        # Table and column names are the constants above.
        deleted += connection.execute(
            f"DELETE FROM {table} WHERE {key} IN "  # noqa: S608
            f"(SELECT {columns} FROM {table} WHERE expires_at<=? AND expires_at>0 LIMIT {_EXPIRE_ROWS})",
            (now - kept,),
        ).rowcount
    deleted += leases.expire(connection, now - LEASE_KEPT_SECONDS, _EXPIRE_ROWS)
    return deleted + _expire_tasks(connection, now - KEPT_SECONDS)


def _expire_tasks(connection: sqlite3.Connection, before: float) -> int:
    """Delete expired tasks, each after its calls, which may be many."""
    deleted = 0
    roots = connection.execute(
        f"SELECT root_id FROM tasks WHERE expires_at<=? LIMIT {_EXPIRE_TASKS}",  # noqa: S608
        (before,),
    ).fetchall()
    for root in roots:
        deleted += connection.execute(
            "DELETE FROM calls WHERE (root_id, number) IN "  # noqa: S608
            f"(SELECT root_id, number FROM calls WHERE root_id=? LIMIT {_EXPIRE_ROWS})",
            root,
        ).rowcount
        if connection.execute("SELECT 1 FROM calls WHERE root_id=? LIMIT 1", root).fetchone() is not None:
            break  # the rest at the next time
        for table in ("labels", "spent", "facts", "members", "tasks"):
            deleted += connection.execute(f"DELETE FROM {table} WHERE root_id=?", root).rowcount  # noqa: S608
    return deleted


def check(connection: sqlite3.Connection) -> Sequence[str]:
    """Return the problems of the file, of which an older version may have written fewer tables."""
    problems = [
        f"SQLite: {row[0]}" for row in connection.execute("PRAGMA integrity_check(20)") if row[0] != "ok"
    ]
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    if version_of(connection) == len(MIGRATIONS):
        problems += [f"The table {name} is missing." for name in ("tasks", *_OF_TASKS) if name not in there]
    for table in _OF_TASKS:
        if not {"tasks", table} <= there:
            continue
        (orphans,) = connection.execute(
            f"SELECT count(*) FROM {table} WHERE root_id NOT IN (SELECT root_id FROM tasks)"  # noqa: S608
        ).fetchone()
        if orphans:
            problems.append(f"{orphans} rows of {table} belong to no task")
    return problems


def compact(connection: sqlite3.Connection) -> int:
    """Free unused space; return how many bytes."""
    before = _size(connection)
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return max(0, before - _size(connection))


def _size(connection: sqlite3.Connection) -> int:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages) * int(page_bytes)
