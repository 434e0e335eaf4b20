"""Opens a SQLite file that several processes share, and runs transactions on it.

Reads and short writes run on the event loop's thread: they take about 10 µs, less than a change of thread. A write that
finds the file locked by another process waits in a separate thread, so the loop never blocks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from tabard.files import create_private_folder, create_regular
from tabard.trust import require_trusted, require_trusted_status

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.state.sqlite.looking import connect_to_read, outlook, version_of, zone_of
from tabard_sidecar.state.sqlite.place import Place
from tabard_sidecar.state.sqlite.schema import MIGRATIONS
from tabard_sidecar.util.files import explain

_T = TypeVar("_T")
Work = Callable[[sqlite3.Connection], _T]
WentBack = Callable[[sqlite3.Connection, str], None]
"""Notes in a file, in a transaction, that it may lack acknowledged writes, for the reason given."""

_START_SECONDS = 5.0
_log = logging.getLogger(__name__)


class StateFileError(Exception):
    """The state file can't be used at all; the message says why and what to do."""


class StateFile:
    """A SQLite file with fast and durable writes.

    A fast write (``synchronous=NORMAL``) survives a killed process, a durable one (``FULL``) survives a power cut.

    Args:
        path: the file, on a local disk.
        zone: the zone whose state it is; another zone's file is refused.
        busy_timeout_seconds: how long a write waits for other writers.
        went_back: called for a file that is a copy, or that took the place of the open one.
    """

    def __init__(self, path: Path, *, zone: str, busy_timeout_seconds: float, went_back: WentBack) -> None:
        self.path = path
        self._zone = zone
        self._went_back = went_back
        self._place: Place | None = None
        # What happened to the open file; empty while the path leads to it.
        self._lost = ""
        self._replacing = asyncio.Lock()
        self._busy_timeout_seconds = busy_timeout_seconds
        self._fast: sqlite3.Connection | None = None
        self._durable: sqlite3.Connection | None = None
        self._patient: sqlite3.Connection | None = None
        self._waiting = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tabard-state")

    async def open(self) -> None:
        """Open or create the file and bring its schema up to date.

        Raises:
            StateFileError: the file belongs to another zone, is newer than this program, can't be created, or other
                users can use it. No connection to it stays open.
        """
        try:
            await self._start()
        except BaseException:
            self._close()
            raise

    async def _start(self) -> None:
        try:
            create_private_folder(self.path.parent)
            require_trusted(self.path.parent)
            require_trusted_status(self.path, create_regular(self.path), private=True)
            await self._switch_to_wal()
            self._durable = self._connect("FULL", self._busy_timeout_seconds)
            _transaction(self._durable, self._migrate)
            self._place = Place(self.path)
            _transaction(self._durable, self._look_whether_copied)
            self._durable.execute("PRAGMA busy_timeout=0")
            self._fast = self._connect("NORMAL", 0)
            self._patient = self._connect("FULL", self._busy_timeout_seconds)
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def look(self) -> list[str]:
        """Open the file for :meth:`in_thread` to read alone, and return what :meth:`open` would change in it.

        Raises:
            StateFileError: :meth:`open` would refuse the file. No connection to it stays open.
        """
        try:
            self._patient = connect_to_read(self.path, self._busy_timeout_seconds)
            self._require_known(version_of(self._patient))
            self._require_zone(zone_of(self._patient) or self._zone)
            return list(outlook(self._patient, self.path))
        except (sqlite3.Error, OSError) as error:
            self._close()
            raise self._unusable(error) from error
        except BaseException:
            self._close()
            raise

    def _unusable(self, error: sqlite3.Error | OSError) -> StateFileError:
        problem = explain(error, self.path) if isinstance(error, OSError) else error
        return StateFileError(
            f"state file {self.path} can't be used: {problem}; check state.url, the disk and its owner"
        )

    def close(self) -> None:
        """Close the file."""
        self._waiting.shutdown(wait=True)
        self._close()

    def _close(self) -> None:
        for connection in (self._fast, self._durable, self._patient):
            if connection is not None:
                connection.close()
        self._fast = self._durable = self._patient = None

    async def keep_place(self) -> None:
        """Check that the path leads to the open file. If another file is there, use that one, which may lack writes.

        Raises:
            NoDecision: no file that can be used is there; nothing is read or written until there is one.
        """
        if not self._lost:
            if self._place is None or not (problem := self._place.problem()):
                return
            self._lost = problem
            _log.critical("state file lost", extra={"problem": problem})
        async with self._replacing:
            if self._lost:
                await self._replace()

    def unwritten_since(self) -> object:
        """Return what :meth:`Place.unwritten_since` does, as of the last :meth:`keep_place`."""
        return None if self._place is None else self._place.unwritten_since()

    def written_since(self, unwritten: object) -> bool:
        """Tell whether something may have been written, or another file be there, since :meth:`unwritten_since` said so."""
        if self._place is None or not self.in_place():
            return True
        now = self._place.unwritten_since()
        return now is None or now != unwritten

    def in_place(self) -> bool:
        """Tell whether the path leads to the open file."""
        return self._place is not None and not self._place.problem()

    def being_written(self) -> bool:
        """Tell whether a transaction may be under way, of which a read sees nothing yet, whatever is in the log.

        Its last write to the log comes before a wait for the disk, and what makes it visible is no write to a file.
        """
        connection = self._open(self._fast)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            return True
        return False

    async def _replace(self) -> None:
        loop = asyncio.get_running_loop()
        # In the thread that may still use a connection.
        await loop.run_in_executor(self._waiting, self._close)
        try:
            if not self.path.exists() or not self.path.stat().st_size:
                raise self._not_there()
            await self._start()
            (found,) = await loop.run_in_executor(self._waiting, self._quick_check)
            if found != "ok":
                raise StateFileError(f"state file {self.path} is damaged: {found}; restore it")
            if self._place is not None and (problem := self._place.problem()):
                raise StateFileError(problem)
            reason, durable = self._lost, self._durable
            assert durable is not None  # noqa: S101 - it was started
            _transaction(durable, lambda connection: self._went_back(connection, reason))
        except (StateFileError, sqlite3.Error, OSError) as error:
            await loop.run_in_executor(self._waiting, self._close)
            raise NoDecision("UNAVAILABLE", "state_unavailable", f"{self._lost}, and {error}") from error
        self._lost = ""
        _log.critical("state file replaced", extra={"path": str(self.path), "problem": reason})

    def _quick_check(self) -> tuple[str]:
        connection = self._patient
        assert connection is not None  # noqa: S101 - it was started
        found: tuple[str] = connection.execute("PRAGMA quick_check(1)").fetchone()
        return found

    def _not_there(self) -> NoDecision:
        return NoDecision(
            "UNAVAILABLE",
            "state_unavailable",
            f"{self._lost} while the sidecar runs: restore {self.path}, or restart every sidecar of the zone to begin "
            "with an empty one",
        )

    def version(self) -> tuple[int, int]:
        """Return a version that differs after any change to the file. Costs a tenth of reading a chain's rows.

        SQLite's ``data_version`` changes with every commit by another connection, in any process, and
        ``total_changes`` with this connection's own.
        """
        return self.rows("PRAGMA data_version")[0][0], self._open(self._fast).total_changes

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return the rows that one statement reads.

        Raises:
            NoDecision: the file can't be read.
        """
        try:
            return self._open(self._fast).execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def once(self, work: Work[_T]) -> _T:
        """Run reads that needn't see the same snapshot.

        Raises:
            NoDecision: the file can't be read.
        """
        try:
            return work(self._open(self._fast))
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def read(self, work: Work[_T]) -> _T:
        """Run several reads on one snapshot.

        Raises:
            NoDecision: the file can't be read.
        """
        connection = self._open(self._fast)
        try:
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    async def write(self, work: Work[_T], *, durable: bool) -> _T:
        """Run ``work`` in one transaction; wait in a thread if another process is writing.

        Raises:
            NoDecision: the file can't be written, or stays locked.
        """
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

    async def in_thread(self, work: Work[_T]) -> _T:
        """Run slow work outside a transaction, without blocking the loop.

        Raises:
            NoDecision: the file can't be used.
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._waiting, work, self._open(self._patient))
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def _connect(self, synchronous: str, busy_timeout_seconds: float) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=busy_timeout_seconds,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=128,
        )
        try:
            connection.execute(f"PRAGMA synchronous={synchronous}")
        except BaseException:
            connection.close()
            raise
        return connection

    async def _switch_to_wal(self) -> None:
        """Set the journal mode, which is stored in the file.

        Retries, because SQLite ignores its busy timeout while the mode changes, and a zone's sidecars start together.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max(self._busy_timeout_seconds, _START_SECONDS)
        while True:
            try:
                with contextlib.closing(sqlite3.connect(self.path, timeout=0)) as connection:
                    connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or loop.time() > deadline:
                    raise
                await asyncio.sleep(0.01)
            else:
                return

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version = version_of(connection)
        self._require_known(version)
        for script in MIGRATIONS[version:]:
            for statement in script.split(";"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('zone', ?)", (self._zone,))
        self._require_zone(zone_of(connection))

    def _require_known(self, version: int) -> None:
        if version > len(MIGRATIONS):
            message = f"state file {self.path} was written by a newer version of Tabard; use that version"
            raise StateFileError(message)

    def _require_zone(self, zone: str | None) -> None:
        if zone != self._zone:
            message = (
                f"state file {self.path} belongs to zone {zone!r}, not {self._zone!r}; set state.url or zone"
            )
            raise StateFileError(message)

    def _look_whether_copied(self, connection: sqlite3.Connection) -> None:
        """Compare the file with its own number, which a copy of it has, too."""
        assert self._place is not None  # noqa: S101 - it was just made
        number = self._place.number
        row = connection.execute("SELECT value FROM meta WHERE name='file'").fetchone()
        if row is not None and row[0] != number:
            _log.critical("state file is a copy", extra={"path": str(self.path)})
            self._went_back(connection, "the state file is a copy of another one")
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('file', ?)", (number,))

    def _open(self, connection: sqlite3.Connection | None) -> sqlite3.Connection:
        if self._lost:
            raise self._not_there()
        if connection is None:
            raise NoDecision("UNAVAILABLE", "state_unavailable", "the state store isn't open")
        return connection

    def _unavailable(self, error: sqlite3.Error) -> NoDecision:
        return NoDecision(
            "UNAVAILABLE",
            "state_unavailable",
            f"the state file {self.path} can't be read or written: {error}; {_remedy(error)}",
        )


_REMEDIES = {
    "SQLITE_FULL": "free space on its disk",
    "SQLITE_IOERR": "check its disk, its space and quota",
    "SQLITE_READONLY": "make it writable for this user, or mount its disk writable",
    "SQLITE_CANTOPEN": "make the folder writable for this user",
    "SQLITE_BUSY": "another process holds it; look for a long `tabard state compact`",
    "SQLITE_CORRUPT": "run `tabard state check`, and restore it",
    "SQLITE_NOTADB": "restore it",
}


def _remedy(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    known = (step for kind, step in _REMEDIES.items() if name.startswith(kind))
    return next(known, "see docs/guarantees.md")


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _transaction(connection: sqlite3.Connection, work: Work[_T]) -> _T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result
