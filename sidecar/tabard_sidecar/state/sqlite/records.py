"""Stores requests, single use, revocations and approvals. Every function runs in its caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tabard_sidecar.state.approval import Approval, ApprovalStatus, PendingLimits
from tabard_sidecar.state.model import Claim, ClaimState, Revocation, RevocationKind, RevocationOrigin
from tabard_sidecar.state.sqlite.reservations import bump
from tabard_sidecar.state.store import CLAIM_SECONDS
from tabard_sidecar.util.jsontext import encode

_MOST_LISTED = 1_000
# More than a lost file can have had, so that no sidecar takes the revocation for one that it has read.
_LOST_NUMBERS = 1_000_000


def claim_request(
    connection: sqlite3.Connection, key: bytes, body: bytes, *, now: float, expires_at: float
) -> Claim:
    """Claim a request."""
    row = connection.execute(
        "SELECT body, response, claimed_at FROM requests WHERE key=? AND expires_at>?", (key, now)
    ).fetchone()
    if row is not None:
        if row[0] != body:
            return Claim(ClaimState.CONFLICT)
        if row[1] is not None:
            return Claim(ClaimState.DONE, bytes(row[1]))
        if row[2] + CLAIM_SECONDS > now:
            return Claim(ClaimState.PENDING)
    connection.execute(
        "INSERT OR REPLACE INTO requests VALUES (?, ?, NULL, ?, ?)", (key, body, now, expires_at)
    )
    return Claim(ClaimState.NEW)


def consume(connection: sqlite3.Connection, name: str, *, limit: int, now: float, expires_at: float) -> bool:
    """Count one use."""
    row = connection.execute("SELECT count FROM uses WHERE name=? AND expires_at>?", (name, now)).fetchone()
    count = int(row[0]) if row else 0
    if count >= limit:
        return False
    connection.execute("INSERT OR REPLACE INTO uses VALUES (?, ?, ?)", (name, count + 1, expires_at))
    bump(connection)
    return True


def revoke(connection: sqlite3.Connection, wanted: Revocation) -> int:
    """Revoke under a new sequence number, unless the same or more is revoked already."""
    if wanted.kind is RevocationKind.LINK:
        connection.execute("DELETE FROM subject_tokens WHERE root_id=?", (wanted.target,))
    row = connection.execute(
        f"SELECT {REVOCATION} FROM revocations WHERE kind=? AND target=? AND expires_at>0",  # noqa: S608
        (wanted.kind.value, wanted.target),
    ).fetchone()
    if row is not None:
        found = revocation(row)
        wanted = replace(wanted.beside(found), seq=found.seq)
        if wanted == found:
            return found.seq
    return _put_revocation(connection, wanted)


def went_back(connection: sqlite3.Connection, everything: Revocation) -> None:
    """Revoke every earlier task of a file that may lack revocations, under a number that none of them had."""
    seq = revoke(connection, everything)
    connection.execute("UPDATE revocations SET seq=seq+? WHERE seq=?", (_LOST_NUMBERS, seq))
    connection.execute("UPDATE sqlite_sequence SET seq=seq+? WHERE name='revocations'", (_LOST_NUMBERS,))


def lift(connection: sqlite3.Connection, kind: RevocationKind, target: str) -> bool:
    """Lift a revocation; its row stays, marked as lifted."""
    row = connection.execute(
        f"SELECT {REVOCATION} FROM revocations WHERE kind=? AND target=? AND expires_at>0",  # noqa: S608
        (kind.value, target),
    ).fetchone()
    if row is None or kind is RevocationKind.LINK:
        return False
    _put_revocation(connection, replace(revocation(row), expires_at=0.0))
    return True


def _put_revocation(connection: sqlite3.Connection, found: Revocation) -> int:
    connection.execute("DELETE FROM revocations WHERE kind=? AND target=?", (found.kind.value, found.target))
    bump(connection)
    seq = connection.execute(
        "INSERT INTO revocations (kind, target, at, expires_at, reasons, origin) VALUES (?, ?, ?, ?, ?, ?)",
        (
            found.kind.value,
            found.target,
            found.at,
            found.expires_at,
            encode(found.reasons).decode(),
            found.origin.value,
        ),
    ).lastrowid
    return int(seq or 0)


REVOCATION = "kind, target, at, expires_at, reasons, origin, seq"
"""The columns of :func:`revocation`."""


def revocation(row: Sequence[Any]) -> Revocation:
    """Decode a row of :data:`REVOCATION`."""
    kind, target, at, expires_at, reasons, origin, seq = row
    return Revocation(
        RevocationKind(kind),
        target,
        at,
        expires_at,
        tuple(json.loads(reasons)),
        RevocationOrigin(origin),
        seq,
    )


_COLUMNS = (
    "approval_id, root_id, link_id, task_id, module, code, digest, payload, created_at, expires_at, uses, status, "
    "approver, decided_at, topic, workload, subject, workloads"
)
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
        return _approval(row)
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
        f"INSERT INTO approvals ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
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
        ),
    )
    bump(connection)
    return wanted


def _may_wait(connection: sqlite3.Connection, wanted: Approval, limits: PendingLimits) -> bool:
    now = wanted.created_at
    for condition, values, most in (
        ("root_id=? AND workload=?", (wanted.root_id, wanted.workload), limits.task),
        ("workload=? AND subject=?", (wanted.workload, wanted.subject), limits.person),
        ("workload=?", (wanted.workload,), limits.workload),
    ):
        (waiting,) = connection.execute(
            f"SELECT count(*) FROM approvals WHERE {condition} AND status='pending' AND expires_at>? AND NOT {_ENDED}",  # noqa: S608
            (*values, now, now, now),
        ).fetchone()
        if waiting >= most:
            return False
    return True


def find_approval(connection: sqlite3.Connection, approval_id: str, now: float) -> Approval | None:
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


def list_approvals(connection: sqlite3.Connection, now: float, *, pending_only: bool) -> list[Approval]:
    """Return approvals that neither expired nor ended, oldest first."""
    condition = "" if pending_only else "status<>'pending' OR "
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM approvals WHERE expires_at>? AND ({condition}status='pending' AND NOT {_ENDED}) "  # noqa: S608
        "ORDER BY created_at LIMIT ?",
        (now, now, now, _MOST_LISTED),
    )
    return [_approval(row) for row in rows]


def decide_approval(  # noqa: PLR0913 - the interface's parameters
    connection: sqlite3.Connection,
    approval_id: str,
    *,
    approved: bool,
    approver: str,
    now: float,
    expires_at: float,
) -> Approval | None:
    """Decide a pending approval."""
    found = find_approval(connection, approval_id, now)
    if found is None or found.status is not ApprovalStatus.PENDING:
        return None
    status = ApprovalStatus.APPROVED if approved else ApprovalStatus.DENIED
    connection.execute(
        "UPDATE approvals SET status=?, approver=?, decided_at=?, expires_at=? WHERE approval_id=?",
        (status.value, approver, now, expires_at, approval_id),
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
