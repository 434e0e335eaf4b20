"""State in one SQLite file, shared by the sidecars of a zone on one machine.

Reads and short writes run on the event loop's thread, since they take some 10 µs and a change of thread takes more. A
write that finds the file locked by another process waits for it in a thread of its own, so the loop never blocks.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from tabard_sidecar.refusal import Unanswerable
from tabard_sidecar.state.store import Child, Claim, ClaimState, Standing

_T = TypeVar("_T")

# How long a claim outlives an owner that never completed it.
CLAIM_SECONDS = 30.0
_START_SECONDS = 5.0
_EXPIRE_ROWS = 2_000
_KNOWN_CHILDREN = 65_536
_KNOWN_STANDINGS = 1_024

# One script per schema version; a file is brought forward by running those it hasn't seen.
_MIGRATIONS = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE requests (
      key BLOB PRIMARY KEY, body BLOB NOT NULL, response BLOB, claimed_at REAL NOT NULL, expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX requests_expiry ON requests (expires_at);
    CREATE TABLE uses (name TEXT PRIMARY KEY, count INTEGER NOT NULL, expires_at REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX uses_expiry ON uses (expires_at);
    CREATE TABLE ended (link_id TEXT PRIMARY KEY, task_id TEXT NOT NULL, expires_at REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX ended_expiry ON ended (expires_at);
    CREATE TABLE children (
      parent_id TEXT NOT NULL, child_id TEXT NOT NULL, expires_at REAL NOT NULL, PRIMARY KEY (parent_id, child_id)
    ) WITHOUT ROWID;
    CREATE INDEX children_expiry ON children (expires_at);
    CREATE INDEX children_child ON children (child_id);
    """,
)


class StateFileError(Exception):
    """The state file can't be used at all; the message says why and what to do."""


class SQLiteStateStore:
    """The :class:`~tabard_sidecar.state.store.StateStore` of one machine.

    Calls and charges are written at ``synchronous=NORMAL``, which survives a killed process; single use and ends at
    ``FULL``, which survives a power cut.
    """

    def __init__(self, path: Path, *, zone: str, busy_timeout_seconds: float = 2.0) -> None:
        self._path = path
        self._zone = zone
        self._busy_timeout_seconds = busy_timeout_seconds
        self._fast: sqlite3.Connection | None = None
        self._durable: sqlite3.Connection | None = None
        self._patient: sqlite3.Connection | None = None
        self._waiting = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tabard-state")
        # Children once counted stay counted, so that a grant used again costs no write.
        self._known_children: dict[tuple[str, str], None] = {}
        # How chains stand, for as long as nothing at all changes in the file.
        self._standings: dict[tuple[str, ...], Standing] = {}
        self._standings_of: object = None

    async def open(self) -> None:
        """Open or create the file.

        Raises:
            StateFileError: the file belongs to another zone, is newer than this program, or can't be created.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
            os.close(descriptor)
            await self._switch_to_wal()
            self._durable = self._connect("FULL", self._busy_timeout_seconds)
            self._migrate(self._durable)
            self._durable.execute("PRAGMA busy_timeout=0")
            self._fast = self._connect("NORMAL", 0)
            self._patient = self._connect("FULL", self._busy_timeout_seconds)
        except (sqlite3.Error, OSError) as error:
            message = (
                f"state file {self._path} can't be used: {error}; check state.url, the disk and its owner"
            )
            raise StateFileError(message) from error

    async def close(self) -> None:
        """Close the file."""
        self._waiting.shutdown(wait=True)
        for connection in (self._fast, self._durable, self._patient):
            if connection is not None:
                connection.close()
        self._fast = self._durable = self._patient = None

    def _connect(self, synchronous: str, busy_timeout_seconds: float) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=busy_timeout_seconds,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=64,
        )
        connection.execute(f"PRAGMA synchronous={synchronous}")
        return connection

    async def _switch_to_wal(self) -> None:
        """Set the journal mode, which the file remembers.

        SQLite doesn't wait for its busy timeout while the mode changes, and a zone's sidecars start together.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max(self._busy_timeout_seconds, _START_SECONDS)
        while True:
            try:
                with contextlib.closing(sqlite3.connect(self._path, timeout=0)) as connection:
                    connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or loop.time() > deadline:
                    raise
                await asyncio.sleep(0.01)
            else:
                return

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version > len(_MIGRATIONS):
                message = (
                    f"state file {self._path} was written by a newer version of Tabard; use that version"
                )
                raise StateFileError(message)
            for script in _MIGRATIONS[version:]:
                for statement in script.split(";"):
                    if statement.strip():
                        connection.execute(statement)
            connection.execute(f"PRAGMA user_version={len(_MIGRATIONS)}")
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('zone', ?)", (self._zone,))
            zone = connection.execute("SELECT value FROM meta WHERE name='zone'").fetchone()[0]
            if zone != self._zone:
                message = f"state file {self._path} belongs to zone {zone!r}, not {self._zone!r}; set state.url or zone"
                raise StateFileError(message)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    async def _write(self, work: Callable[[sqlite3.Connection], _T], *, durable: bool) -> _T:
        """Run ``work`` in one transaction; wait in a thread if another process is writing."""
        connection = self._durable if durable else self._fast
        try:
            return _transaction(self._open(connection), work)
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise self._unavailable(error) from error
        except sqlite3.Error as error:
            raise self._unavailable(error) from error
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._waiting, _transaction, self._open(self._patient), work)
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def _read(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        try:
            return self._open(self._fast).execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def _open(self, connection: sqlite3.Connection | None) -> sqlite3.Connection:
        if connection is None:
            raise Unanswerable("UNAVAILABLE", "state_unavailable", "the state store isn't open")
        return connection

    def _unavailable(self, error: sqlite3.Error) -> Unanswerable:
        return Unanswerable(
            "UNAVAILABLE",
            "state_unavailable",
            f"the state file {self._path} can't be read or written: {error}",
        )

    async def claim_request(self, key: bytes, body: bytes, *, now: float, expires_at: float) -> Claim:
        """Claim a request; see the interface."""

        def work(connection: sqlite3.Connection) -> Claim:
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

        return await self._write(work, durable=False)

    async def complete_request(self, key: bytes, response: bytes, *, expires_at: float) -> None:
        """Keep a response; see the interface."""
        await self._write(
            lambda c: c.execute(
                "UPDATE requests SET response=?, expires_at=? WHERE key=?", (response, expires_at, key)
            ),
            durable=False,
        )

    async def abandon_request(self, key: bytes) -> None:
        """Give a claim back; see the interface."""
        await self._write(
            lambda c: c.execute("DELETE FROM requests WHERE key=? AND response IS NULL", (key,)),
            durable=False,
        )

    async def consume(self, name: str, *, limit: int, now: float, expires_at: float) -> bool:
        """Count one use; see the interface."""

        def work(connection: sqlite3.Connection) -> bool:
            row = connection.execute(
                "SELECT count FROM uses WHERE name=? AND expires_at>?", (name, now)
            ).fetchone()
            count = int(row[0]) if row else 0
            if count >= limit:
                return False
            connection.execute("INSERT OR REPLACE INTO uses VALUES (?, ?, ?)", (name, count + 1, expires_at))
            return True

        return await self._write(work, durable=True)

    async def end(self, link_id: str, task_id: str, *, expires_at: float) -> None:
        """End a link; see the interface."""
        await self._write(
            lambda c: c.execute(
                "INSERT OR IGNORE INTO ended VALUES (?, ?, ?)", (link_id, task_id, expires_at)
            ),
            durable=True,
        )

    async def look_up(self, link_ids: Sequence[str]) -> Standing:
        """Look at a chain; see the interface."""
        version = self._version()
        if version != self._standings_of or len(self._standings) >= _KNOWN_STANDINGS:
            self._standings.clear()
            self._standings_of = version
        key = tuple(link_ids)
        known = self._standings.get(key)
        if known is None:
            known = self._standings[key] = self._read_standing(key)
        return known

    def _version(self) -> tuple[int, int]:
        """Return what differs whenever anything in the file does: to ask costs a tenth of reading a chain's rows.

        SQLite's ``data_version`` tells of every commit by another connection, in whatever process, and
        ``total_changes`` of this connection's own.
        """
        return self._read("PRAGMA data_version", ())[0][0], self._open(self._fast).total_changes

    def _read_standing(self, link_ids: tuple[str, ...]) -> Standing:
        marks = ",".join("?" * len(link_ids))
        # Only the number of placeholders varies: identifiers always travel as parameters.
        statement = (
            f"SELECT (SELECT link_id FROM ended WHERE link_id IN ({marks}) LIMIT 1), "  # noqa: S608
            "(SELECT count(*) FROM children WHERE parent_id=?)"
        )
        ended, children = self._read(statement, (*link_ids, link_ids[-1]))[0]
        return Standing(ended or "", children)

    async def ended_at_or_above(self, link_id: str) -> bool:
        """Follow a link's parents; see the interface."""
        rows = self._read(
            "WITH RECURSIVE up(id) AS (VALUES (?) UNION SELECT parent_id FROM children JOIN up ON child_id = up.id) "
            "SELECT 1 FROM ended WHERE link_id IN (SELECT id FROM up) LIMIT 1",
            (link_id,),
        )
        return bool(rows)

    async def register_children(self, children: Sequence[Child], *, expires_at: float) -> Child | None:
        """Count children; see the interface."""
        fresh = [c for c in children if (c.parent_id, c.child_id) not in self._known_children]
        if not fresh:
            return None

        def work(connection: sqlite3.Connection) -> Child | None:
            for child in fresh:
                known = connection.execute(
                    "SELECT 1 FROM children WHERE parent_id=? AND child_id=?",
                    (child.parent_id, child.child_id),
                ).fetchone()
                if known:
                    continue
                if child.limit is not None:
                    row = connection.execute(
                        "SELECT count(*) FROM children WHERE parent_id=?", (child.parent_id,)
                    ).fetchone()
                    if int(row[0]) >= child.limit:
                        raise _OverLimit(child)
                connection.execute(
                    "INSERT INTO children VALUES (?, ?, ?)", (child.parent_id, child.child_id, expires_at)
                )
            return None

        try:
            await self._write(work, durable=False)
        except _OverLimit as over:
            return over.child
        for child in fresh:
            if len(self._known_children) >= _KNOWN_CHILDREN:
                self._known_children.pop(next(iter(self._known_children)))
            self._known_children[child.parent_id, child.child_id] = None
        return None

    async def expire(self, *, now: float) -> int:
        """Forget what has expired, a bounded number of rows at a time."""

        def work(connection: sqlite3.Connection) -> int:
            gone = 0
            for table, key in (
                ("requests", "key"),
                ("uses", "name"),
                ("ended", "link_id"),
                ("children", "(parent_id, child_id)"),
            ):
                columns = key.strip("()")
                # Table and column names are the constants above.
                gone += connection.execute(
                    f"DELETE FROM {table} WHERE {key} IN "  # noqa: S608
                    f"(SELECT {columns} FROM {table} WHERE expires_at<=? LIMIT {_EXPIRE_ROWS})",
                    (now,),
                ).rowcount
            return gone

        return await self._write(work, durable=False)


class _OverLimit(Exception):
    def __init__(self, child: Child) -> None:
        super().__init__(child)
        self.child = child


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], _T]) -> _T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result
