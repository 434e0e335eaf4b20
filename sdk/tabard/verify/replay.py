"""Remembers which single-use credentials were accepted."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from tabard._forked import own_lock
from tabard.files import create_private_folder, create_regular
from tabard.trust import require_trusted, require_trusted_status

_KEEP_SECONDS = 3600.0
_CLEAN_EVERY_SECONDS = 60.0
_RETRY_SECONDS = 0.01
_BUSY_SECONDS = 5.0
_CLEAN_ROWS = 1000
# A credential's longest life is 300 s, and a clock may differ by a minute.
_LONGEST_SECONDS = 360.0


class ReplayUnavailable(Exception):
    """The store can't tell whether a credential was used. The credential is then refused."""


class ReplayStore(Protocol):
    """Store of used credentials. All processes that accept credentials of one audience must share it."""

    def accept(self, issuer: str, credential_id: str, expires_at: float) -> bool:
        """Return whether this is the first time, and remember it durably before returning true.

        Args:
            issuer: issuer of the credential.
            credential_id: identifier of the credential, unique for the issuer; of the second and later uses of one with
                several, this with a number.
            expires_at: until when it has to be remembered at least, in seconds since the epoch. It is later than the end of
                the credential that the issuer signed, whatever caveats a holder appended.

        Raises:
            ReplayUnavailable: it couldn't be read or written.
        """
        ...


class SqliteReplayStore:
    """A file that the processes of one machine share; every acceptance is on disk before it is returned.

    It must be on a local disk: SQLite's locks don't work on network file systems. Replicas on several machines that accept
    the same audience need another store that all of them share. A file or folder that other users can change is refused.

    Args:
        path: the file; by default ``$XDG_STATE_HOME/tabard/replay.sqlite3``. Its directory is made if need be.
        clock: seconds since the epoch.
    """

    _lock: threading.Lock

    def __init__(
        self, path: str | os.PathLike[str] | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = _default_path() if path is None else Path(path)
        self._clock = clock
        own_lock(self)
        self._connection: sqlite3.Connection | None = None
        self._owner = 0
        self._clean_at = 0.0
        # Which file is open, and until when nothing is accepted because it was replaced.
        self._opened: tuple[int, ...] = ()
        self._refuse_until = 0.0

    def accept(self, issuer: str, credential_id: str, expires_at: float) -> bool:
        """See :meth:`ReplayStore.accept`."""
        key = sha256(f"{len(issuer)}:{issuer}{credential_id}".encode()).digest()
        keep_until = max(expires_at, self._clock()) + _KEEP_SECONDS
        with self._lock:
            try:
                connection = self._connect()
                self._clean(connection)
                inserted = connection.execute(
                    "INSERT INTO used (key, keep_until) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    (key, keep_until),
                )
            except (sqlite3.Error, OSError) as error:
                self._forget()
                message = f"{self._path}: {error}"
                raise ReplayUnavailable(message) from error
            return inserted.rowcount == 1

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            self._forget()

    def __del__(self) -> None:
        """Close the file of a store that is no longer used, which Python 3.13 warns of otherwise."""
        if hasattr(self, "_connection"):
            self._forget()

    def _connect(self) -> sqlite3.Connection:
        # A connection must not be used after a fork: the child opens its own.
        if self._connection is not None and self._owner == os.getpid():
            if self._there() == self._opened:
                return self._connection
            self._refuse_until = time.monotonic() + _LONGEST_SECONDS
        if (left := self._refuse_until - time.monotonic()) > 0:
            raise OSError(
                f"it was replaced or removed while it was open, so nothing is accepted for {left:.0f} s, until what was "
                "accepted before has expired"
            )
        create_private_folder(self._path.parent)
        require_trusted_status(self._path, create_regular(self._path))
        require_trusted(self._path)
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._owner, self._opened = connection, os.getpid(), self._there()
        return connection

    def _there(self) -> tuple[int, ...]:
        """Return which files the path leads to now: database and log, which SQLite doesn't replace while they are open."""
        found: list[int] = []
        for suffix in ("", "-wal"):
            try:
                status = os.stat(f"{self._path}{suffix}")  # noqa: PTH116
            except FileNotFoundError:
                return ()
            found += (status.st_dev, status.st_ino)
        return tuple(found)

    def _clean(self, connection: sqlite3.Connection) -> None:
        """Delete a batch of expired entries, unless the last batch found few and was recent."""
        now = self._clock()
        if now < self._clean_at:
            return
        deleted = connection.execute(
            "DELETE FROM used WHERE key IN (SELECT key FROM used WHERE keep_until < ? LIMIT ?)",
            (now, _CLEAN_ROWS),
        )
        if deleted.rowcount < _CLEAN_ROWS:
            self._clean_at = now + _CLEAN_EVERY_SECONDS

    def _forget(self) -> None:
        if self._connection is not None and self._owner == os.getpid():
            self._connection.close()
        self._connection = None


def _prepare(connection: sqlite3.Connection) -> None:
    """Set the journal mode and create the table. Processes that start together may conflict here.

    SQLite ignores its busy timeout while the journal mode changes, so this function retries.
    """
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS used (key BLOB PRIMARY KEY, keep_until REAL NOT NULL) WITHOUT ROWID"
            )
            connection.execute("CREATE INDEX IF NOT EXISTS used_keep_until ON used (keep_until)")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def _default_path() -> Path:
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return base / "tabard" / "replay.sqlite3"
