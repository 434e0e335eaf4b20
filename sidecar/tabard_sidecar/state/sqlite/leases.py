"""Keeps the journal of leases in the state file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from tabard_sidecar.state.leases import ANY_LEASE, Lease, LeaseFilter, LeasePage, LeaseTarget
from tabard_sidecar.state.model import RevocationKind
from tabard_sidecar.state.sqlite.file import StateFile
from tabard_sidecar.state.sqlite.reservations import bump

_NAMES = tuple(field.name for field in fields(Lease) if field.name != "targets")
_COLUMNS = ", ".join(_NAMES)
_REVOKED = (
    "EXISTS (SELECT 1 FROM revocations AS r WHERE r.expires_at>:now AND ("
    "(r.kind='state' AND r.at>=task_started_at) OR "
    "((r.kind<>'subject' OR r.at>=task_started_at) AND EXISTS "
    "(SELECT 1 FROM lease_targets AS t WHERE t.lease_id=leases.lease_id AND t.kind=r.kind AND t.target=r.target))))"
)


class SQLiteLeases:
    """Implements :class:`~tabard_sidecar.state.leases.LeaseJournal` on the state file."""

    _file: StateFile

    async def add_lease(self, lease: Lease, *, durable: bool = True) -> None:
        """Note a lease; see the interface."""
        await self._file.write(lambda c: _add(c, lease), durable=durable)

    async def extend_lease(self, lease_id: str, *, expires_at: float) -> bool:
        """Note a later end; see the interface."""
        return await self._file.write(lambda c: _extend(c, lease_id, expires_at), durable=True)

    async def end_lease(self, lease_id: str) -> bool:
        """Forget a lease; see the interface."""
        return await self._file.write(lambda c: _end(c, lease_id), durable=False)

    async def leases(
        self, *, now: float, wanted: LeaseFilter = ANY_LEASE, after: str = "", limit: int = 100
    ) -> LeasePage:
        """Return leases; see the interface."""
        conditions: list[str] = []
        values: dict[str, float | str] = {"now": now}
        for column in ("task_id", "source", "holder"):
            if text := getattr(wanted, column):
                conditions.append(f"{column}=:{column}")
                values[column] = text
        return self._page(conditions, values, after, limit)

    async def leases_of(
        self, target: LeaseTarget, *, now: float, after: str = "", limit: int = 100
    ) -> LeasePage:
        """Return what a revocation ends; see the interface."""
        condition = "lease_id IN (SELECT lease_id FROM lease_targets WHERE kind=:kind AND target=:target)"
        values: dict[str, float | str] = {"now": now, "kind": target.kind.value, "target": target.target}
        return self._page([condition], values, after, limit)

    async def revoked_leases(self, *, now: float, after: str = "", limit: int = 100) -> LeasePage:
        """Return what should have ended; see the interface."""
        return self._page([_REVOKED], {"now": now}, after, limit)

    def _page(
        self, conditions: Sequence[str], values: dict[str, float | str], after: str, limit: int
    ) -> LeasePage:
        condition = " AND ".join(("expires_at>:now", "lease_id>:after", *conditions))
        found = self._found(f"{condition} ORDER BY lease_id", {**values, "after": after}, limit)
        return LeasePage(tuple(found), found[-1].lease_id if len(found) == limit else "")

    def _found(self, condition: str, values: dict[str, Any], limit: int) -> list[Lease]:
        def work(connection: sqlite3.Connection) -> list[Lease]:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM leases WHERE {condition} LIMIT :limit",  # noqa: S608 - from the constants above
                {**values, "limit": limit},
            ).fetchall()
            return [
                Lease(**dict(zip(_NAMES, row, strict=True)), targets=_targets(connection, row[0]))
                for row in rows
            ]

        return self._file.read(work)


def _add(connection: sqlite3.Connection, lease: Lease) -> None:
    _end(connection, lease.lease_id)
    connection.execute(
        f"INSERT INTO leases ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))})",  # noqa: S608
        [getattr(lease, name) for name in _NAMES],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO lease_targets VALUES (?, ?, ?)",
        [(target.kind.value, target.target, lease.lease_id) for target in lease.targets],
    )
    bump(connection)


def _extend(connection: sqlite3.Connection, lease_id: str, expires_at: float) -> bool:
    changed = connection.execute(
        "UPDATE leases SET expires_at=max(expires_at, ?) WHERE lease_id=?", (expires_at, lease_id)
    )
    return changed.rowcount > 0


def _end(connection: sqlite3.Connection, lease_id: str) -> bool:
    connection.execute("DELETE FROM lease_targets WHERE lease_id=?", (lease_id,))
    return connection.execute("DELETE FROM leases WHERE lease_id=?", (lease_id,)).rowcount > 0


def _targets(connection: sqlite3.Connection, lease_id: str) -> tuple[LeaseTarget, ...]:
    rows = connection.execute(
        "SELECT kind, target FROM lease_targets WHERE lease_id=? ORDER BY kind, target", (lease_id,)
    )
    return tuple(LeaseTarget(RevocationKind(kind), target) for kind, target in rows)


def expire(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Forget leases that their sources have ended by themselves, at most ``limit``; return how many."""
    expired = connection.execute(
        "SELECT lease_id FROM leases WHERE expires_at<=? LIMIT ?", (before, limit)
    ).fetchall()
    for (lease_id,) in expired:
        _end(connection, lease_id)
    return len(expired)
