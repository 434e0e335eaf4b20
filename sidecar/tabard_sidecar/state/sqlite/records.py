"""Stores requests, single use and revocations. Every function runs in its caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tabard_sidecar.state.model import Claim, ClaimState, Revocation, RevocationKind, RevocationOrigin
from tabard_sidecar.state.sqlite.reservations import bump
from tabard_sidecar.state.store import CLAIM_SECONDS
from tabard_sidecar.util.jsontext import encode

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
