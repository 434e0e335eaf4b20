"""Tells whether a path still leads to the files that SQLite has open.

A backup that is moved into place, or a script that empties the folder, leaves SQLite with files that no other process sees.
It would go on with them without an error, beside sidecars that were started later.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

# The log and its index are never replaced while a connection is open.
_SUFFIXES = ("", "-wal", "-shm")
_SETTLED_NS, _SETTLED_COARSE_NS = 100_000_000, 2_100_000_000
"""How old a last write has to be for a later one to have another time: file systems count in some milliseconds, a few in
whole seconds."""
_SECOND_NS = 1_000_000_000


class Place:
    """The file and its two siblings, as they are now; made while a connection has them open.

    Raises:
        OSError: one of them is missing.
    """

    def __init__(self, path: Path) -> None:
        self._open = [(name, os.stat(name)) for name in (f"{path}{suffix}" for suffix in _SUFFIXES)]  # noqa: PTH116
        self._written: tuple[tuple[int, int], ...] = ()

    @property
    def number(self) -> str:
        """The file's number in its file system (inode), which a copy doesn't share."""
        return str(self._open[0][1].st_ino)

    def problem(self) -> str:
        """Return what happened to one of the files meanwhile; empty if nothing did. Costs three system calls."""
        written = []
        for name, opened in self._open:
            try:
                there = os.stat(name)  # noqa: PTH116
            except OSError as error:
                return f"{name} is gone ({error.strerror})"
            if (there.st_dev, there.st_ino) != (opened.st_dev, opened.st_ino):
                return f"{name} was replaced"
            if opened is self._open[0][1] and not there.st_size:
                return f"{name} was emptied"
            written.append((there.st_mtime_ns, there.st_size))
        self._written = tuple(written[:2])
        return ""

    def unwritten_since(self) -> object:
        """Return a value that every later write changes, as of the last :meth:`problem`; ``None`` soon after a write.

        Every write goes to the log by a system call, which sets the file's time; the index is mapped, which doesn't.
        """
        now = time.time_ns()
        settled = all(now - modified > _settling_ns(modified) for modified, _ in self._written)
        return self._written or None if settled else None


def _settling_ns(modified: int) -> int:
    return _SETTLED_NS if modified % _SECOND_NS else _SETTLED_COARSE_NS
