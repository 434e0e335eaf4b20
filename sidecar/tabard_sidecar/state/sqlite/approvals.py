"""Stores approvals and groups of them. Every function runs in its caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from tabard_sidecar.state.approval import (
    Approval,
    ApprovalStatus,
    Approver,
    NotDecided,
    PendingLimits,
    Verdict,
)
from tabard_sidecar.state.sqlite.records import consume
from tabard_sidecar.state.sqlite.reservations import bump
from tabard_sidecar.util.jsontext import encode

_MOST_LISTED = 1_000
_COLUMNS = (
    "approval_id, root_id, link_id, task_id, module, code, digest, payload, created_at, expires_at, uses, status, "
    "approver, decided_at, topic, workload, subject, workloads, group_id"
)
_MARKS = ", ".join("?" * len(_COLUMNS.split(", ")))
# A condition: a pending approval's holder was ended or revoked. Takes the time twice.
_ENDED = (
    "(EXISTS (WITH RECURSIVE up(id) AS (VALUES (link_id) UNION SELECT parent_id FROM children JOIN up ON child_id=id) "
    "SELECT 1 FROM revocations WHERE kind='link' AND target IN (SELECT id FROM up)) "
    "OR EXISTS (SELECT 1 FROM revocations AS r WHERE r.kind='agent' AND r.expires_at>? "
    "AND r.target IN (SELECT value FROM json_each(workloads))) "
    "OR EXISTS (SELECT 1 FROM revocations AS r WHERE r.kind='subject' AND r.expires_at>? "
    "AND r.target=subject AND r.at>=created_at))"
)


def ask(connection: sqlite3.Connection, wanted: Approval, *, limits: PendingLimits) -> Approval | None:
    """Store a request for approval, or return the existing one."""
    now = wanted.created_at
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM approvals WHERE root_id=? AND link_id=? AND module=? AND code=? AND digest=? "  # noqa: S608
        "AND expires_at>? AND uses>0 ORDER BY created_at DESC LIMIT 1",
        (wanted.root_id, wanted.link_id, wanted.module, wanted.code, wanted.digest, now),
    ).fetchone()
    if row is not None:
        return _joined(connection, _approval(row), wanted, limits)
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM approvals WHERE root_id=? AND topic=? AND topic<>'' AND status='denied' "  # noqa: S608
        "AND expires_at>? AND workload IN (SELECT value FROM json_each(?)) LIMIT 1",
        (wanted.root_id, wanted.topic, now, _encoded(wanted.workloads)),
    ).fetchone()
    if row is not None:
        return _approval(row)
    if not _may_wait(connection, wanted, limits):
        return None
    connection.execute(
        f"INSERT INTO approvals ({_COLUMNS}) VALUES ({_MARKS})",  # noqa: S608
        (
            wanted.approval_id,
            wanted.root_id,
            wanted.link_id,
            wanted.task_id,
            wanted.module,
            wanted.code,
            wanted.digest,
            wanted.payload,
            wanted.created_at,
            wanted.expires_at,
            wanted.uses,
            wanted.status.value,
            wanted.approver,
            wanted.decided_at,
            wanted.topic,
            wanted.workload,
            wanted.subject,
            _encoded(wanted.workloads),
            wanted.group_id,
        ),
    )
    bump(connection)
    return wanted


def _joined(
    connection: sqlite3.Connection, found: Approval, wanted: Approval, limits: PendingLimits
) -> Approval:
    """Bring a pending approval that is asked for again into one group with what is asked for together with it now."""
    alone = found.status is not ApprovalStatus.PENDING or not wanted.group_id
    if alone or found.group_id == wanted.group_id:
        return found
    target = found.group_id or wanted.group_id
    now = wanted.created_at
    others = len(_group(connection, wanted.group_id, now)) if found.group_id else 1
    if len(_group(connection, target, now)) + others > limits.group:
        return found
    column, value = ("group_id", wanted.group_id) if found.group_id else ("approval_id", found.approval_id)
    # The column is one of the two names above.
    connection.execute(
        f"UPDATE approvals SET group_id=? WHERE {column}=? AND status='pending'",  # noqa: S608
        (target, value),
    )
    bump(connection)
    return replace(found, group_id=target)


def _may_wait(connection: sqlite3.Connection, wanted: Approval, limits: PendingLimits) -> bool:
    now = wanted.created_at
    if wanted.group_id and len(_group(connection, wanted.group_id, now)) >= limits.group:
        return False
    # What joins a group is no further question.
    question = "DISTINCT iif(group_id='', approval_id, group_id)"
    of_task = "root_id=? AND workload=? AND (group_id='' OR group_id<>?)"
    for counted, condition, values, most in (
        (question, of_task, (wanted.root_id, wanted.workload, wanted.group_id), limits.task),
        ("*", "workload=? AND subject=?", (wanted.workload, wanted.subject), limits.person),
        ("*", "workload=?", (wanted.workload,), limits.workload),
    ):
        (waiting,) = connection.execute(
            f"SELECT count({counted}) FROM approvals WHERE {condition} AND status='pending' AND expires_at>? "  # noqa: S608
            f"AND NOT {_ENDED}",
            (*values, now, now, now),
        ).fetchone()
        if waiting >= most:
            return False
    return True


def find(connection: sqlite3.Connection, approval_id: str, now: float) -> Approval | None:
    """Return an approval that hasn't expired."""
    row = connection.execute(
        f"SELECT {_COLUMNS}, {_ENDED} FROM approvals WHERE approval_id=? AND expires_at>?",  # noqa: S608
        (now, now, approval_id, now),
    ).fetchone()
    if row is None:
        return None
    found = _approval(row[:-1])
    if row[-1] and found.status is ApprovalStatus.PENDING:
        return replace(found, status=ApprovalStatus.ENDED)
    return found


def listed(connection: sqlite3.Connection, now: float, *, pending_only: bool) -> list[Approval]:
    """Return approvals that neither expired nor ended, oldest first."""
    condition = "" if pending_only else "status<>'pending' OR "
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM approvals WHERE expires_at>? AND ({condition}status='pending' AND NOT {_ENDED}) "  # noqa: S608
        "ORDER BY created_at LIMIT ?",
        (now, now, now, _MOST_LISTED),
    )
    return [_approval(row) for row in rows]


def group(connection: sqlite3.Connection, group_id: str, now: float, *, pending_only: bool) -> list[Approval]:
    """Return the approvals of a group that neither expired nor ended, oldest first."""
    found = _group(connection, group_id, now)
    if pending_only or not group_id:
        return found
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM approvals WHERE group_id=? AND status<>'pending' AND expires_at>?",  # noqa: S608
        (group_id, now),
    )
    return sorted([*found, *map(_approval, rows)], key=lambda one: (one.created_at, one.approval_id))


def _group(connection: sqlite3.Connection, group_id: str, now: float) -> list[Approval]:
    """Return what is pending in a group."""
    if not group_id:
        return []
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM approvals WHERE group_id=? AND status='pending' AND expires_at>? AND NOT {_ENDED} "  # noqa: S608
        "ORDER BY created_at, approval_id",
        (group_id, now, now, now),
    )
    return [_approval(row) for row in rows]


def decide_group(
    connection: sqlite3.Connection,
    group_id: str,
    verdicts: Sequence[Verdict],
    *,
    approver: Approver,
    now: float,
) -> list[Approval] | NotDecided:
    """Decide exactly what is pending in a group."""
    pending = {one.approval_id: one for one in _group(connection, group_id, now)}
    named = [verdict.approval_id for verdict in verdicts]
    if not pending or sorted(named) != sorted(pending):
        return NotDecided.CHANGED
    if not _spend_token(connection, approver, now):
        return NotDecided.TOKEN_USED
    return [
        _decided(
            connection,
            pending[verdict.approval_id],
            approved=verdict.approved,
            approver=approver.name,
            now=now,
            expires_at=verdict.expires_at,
        )
        for verdict in verdicts
    ]


def decide(  # noqa: PLR0913 - the interface's parameters
    connection: sqlite3.Connection,
    approval_id: str,
    *,
    approved: bool,
    approver: Approver,
    now: float,
    expires_at: float,
) -> Approval | NotDecided:
    """Decide a pending approval."""
    found = find(connection, approval_id, now)
    if found is None or found.status is not ApprovalStatus.PENDING:
        return NotDecided.CHANGED
    if not _spend_token(connection, approver, now):
        return NotDecided.TOKEN_USED
    return _decided(
        connection, found, approved=approved, approver=approver.name, now=now, expires_at=expires_at
    )


def _spend_token(connection: sqlite3.Connection, approver: Approver, now: float) -> bool:
    return consume(connection, approver.token, limit=1, now=now, expires_at=approver.token_expires_at)


def _decided(  # noqa: PLR0913 - what is stored of a decision
    connection: sqlite3.Connection,
    found: Approval,
    *,
    approved: bool,
    approver: str,
    now: float,
    expires_at: float,
) -> Approval:
    status = ApprovalStatus.APPROVED if approved else ApprovalStatus.DENIED
    connection.execute(
        "UPDATE approvals SET status=?, approver=?, decided_at=?, expires_at=? WHERE approval_id=?",
        (status.value, approver, now, expires_at, found.approval_id),
    )
    bump(connection)
    return replace(found, status=status, approver=approver, decided_at=now, expires_at=expires_at)


def _approval(row: Sequence[object]) -> Approval:
    values = list(row)
    values[7] = bytes(values[7])  # type: ignore[call-overload]
    values[11] = ApprovalStatus(str(values[11]))
    values[17] = tuple(json.loads(str(values[17])))
    return Approval(*values)  # type: ignore[arg-type]


def _encoded(workloads: Sequence[str]) -> str:
    return encode(list(workloads)).decode()
