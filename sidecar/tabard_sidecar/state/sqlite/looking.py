"""Opens a SQLite file to look at it alone, for commands that change nothing."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from tabard.trust import require_trusted

from tabard_sidecar.state.sqlite.schema import MIGRATIONS


def connect_to_read(path: Path, busy_timeout_seconds: float) -> sqlite3.Connection:
    """Return a connection that can't write, and that makes no file beside this one.

    Raises:
        OSError: there is no such file, or other users can use it.
        sqlite3.Error: it can't be opened.
    """
    require_trusted(path, private=True)
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(0, "isn't a regular file; put the file itself there", str(path))
    # Without a log no sidecar has the file open. SQLite would make a log and leave it behind.
    alone = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro{alone}",
        uri=True,
        timeout=busy_timeout_seconds,
        isolation_level=None,
        check_same_thread=False,
    )


def zone_of(connection: sqlite3.Connection) -> str | None:
    """Return the zone whose state a file holds; ``None`` for a file that no sidecar has used."""
    return _meta(connection, "zone")


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of a file's schema; 0 for a file that no sidecar has used."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def outlook(connection: sqlite3.Connection, path: Path) -> Iterator[str]:
    """Yield what the next sidecar that opens a file will change in it, each as a sentence."""
    number, version = _meta(connection, "file"), version_of(connection)
    if number is not None and number != str(path.stat().st_ino):
        yield (
            "The file is a copy of another one, as after a restore: the next sidecar that opens it ends every task that "
            "was started before."
        )
    if 0 < version < len(MIGRATIONS):
        yield (
            f"An older version of Tabard wrote the file (schema {version}, and this version's is {len(MIGRATIONS)}): the "
            "next sidecar that opens it updates it, and sidecars of the older version can't use it then."
        )


def _meta(connection: sqlite3.Connection, name: str) -> str | None:
    if not version_of(connection):
        return None
    row = connection.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
    return None if row is None else str(row[0])
