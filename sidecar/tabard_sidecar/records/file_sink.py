"""Writes the decision log to a file; closed files are removed only after their time, or when they were shipped.

A file that has grown is closed: it gets the number of its last record as a suffix, so the highest number is the newest.
It never gets another name, so a shipper can copy it at leisure. Nothing but its age or a shipper's mark removes it: when
the files take all the space that they may take, the sink refuses lines.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from tabard.files import open_regular
from tabard.trust import require_trusted

from tabard_sidecar.records.chain import Head, read_head
from tabard_sidecar.records.sinks import Removal, SinkError, SinkFullError
from tabard_sidecar.util.disk import require_space

SHIPPED = ".shipped"
"""Suffix of the mark beside a closed file that was copied elsewhere; it holds the file's last head."""

_RECHECK_SECONDS = 1.0
_TAIL_STEP_BYTES = 64 * 1024
_TAIL_BYTES = 64 * 1024 * 1024
# Kept back for the log's own notes, so that a full log can still say which files it removes.
_OWN_BYTES = 64 * 1024
_log = logging.getLogger(__name__)


class FileSink:
    """Appends to a file and closes it when it has grown to ``max_bytes``.

    Args:
        path: the file.
        max_bytes: size at which it is closed and a new one begins.
        max_total_bytes: most bytes of the file and its closed files together.
        keep_seconds: how long a closed file is kept after its last record.
    """

    terminal = False

    def __init__(self, path: Path, *, max_bytes: int, max_total_bytes: int, keep_seconds: float) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_total_bytes = max_total_bytes
        self._keep_seconds = keep_seconds
        self._descriptor = -1
        self._size = 0
        self._closed_bytes = 0
        self._opened = 0
        self._check_at = 0.0
        # The closed file that isn't removed, because it isn't intact, once it was told.
        self._stuck_at: tuple[Path, ...] = ()

    async def write(self, line: bytes, *, own: bool = False, room: int = 0) -> None:
        """Append one line; a partial line, left by a full disk, is truncated."""
        try:
            self._prepare(len(line), self._max_total_bytes - room + (_OWN_BYTES if own else 0))
            if (size := os.fstat(self._descriptor).st_size) != self._size:
                self._notice_change(size)
            written = os.write(self._descriptor, line)
            if written != len(line):
                os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.reopen()
            raise SinkError(f"{self._path}: {error.strerror}") from error
        self._size += written

    def place(self, size: int) -> int:
        """Open the file, or a new one if a line of that size doesn't fit; return its number in this process."""
        try:
            self._ready(size)
        except OSError as error:
            self.reopen()
            raise SinkError(f"{self._path}: {error.strerror}") from error
        return self._opened

    def check(self, size: int = 1) -> None:
        """Check that the files leave space for records of so many bytes."""
        try:
            self._prepare(0, self._max_total_bytes - size)
        except OSError as error:
            raise SinkError(f"{self._path}: {error.strerror}") from error

    def probe(self) -> None:
        """Check that the file is there, and that file system and other files leave space for records."""
        self.check()
        try:
            require_space(self._descriptor)
        except OSError as error:
            raise SinkError(f"{self._path}: {error.strerror}") from error

    def _prepare(self, size: int, most: int) -> None:
        self._ready(0)
        if self._closed_bytes + self._size + size > most:
            raise SinkFullError(
                f"{self._path}: its files take the {self._max_total_bytes} bytes of audit.max_total_bytes"
            )
        self._make_place(size)

    def _ready(self, size: int) -> None:
        """Have a file open in which there is place for a line."""
        now = time.monotonic()
        if self._descriptor >= 0 and now >= self._check_at:
            self._check_at = now + _RECHECK_SECONDS
            self._notice_replacement()
        if self._descriptor < 0:
            self._open()
            self._check_at = now + _RECHECK_SECONDS
        self._make_place(size)

    def _make_place(self, size: int) -> None:
        if self._size and self._size + size > self._max_bytes:
            self._rotate()

    def _notice_replacement(self) -> None:
        """Close the file if it was moved or removed, and measure what others added or removed."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            self.reopen()
            return
        here = os.fstat(self._descriptor)
        if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
            self.reopen()
            return
        require_trusted(self._path)
        if there.st_size != self._size:
            self._notice_change(there.st_size)
        self._measure()

    def _notice_change(self, size: int) -> None:
        """Go on after a file that another program cut or wrote into, on a line of its own."""
        _log.error("decision log was changed", extra={"file": str(self._path), "bytes": size - self._size})
        if size < self._size:
            self._opened += 1  # What records could refer to may be gone.
        self._end_line(self._descriptor)
        self._size = os.fstat(self._descriptor).st_size

    @staticmethod
    def _end_line(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            os.write(descriptor, b"\n")

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(self._path, flags, 0o600)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            require_trusted(self._path)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OSError(
                    errno.EBUSY, "another process writes this file; give each sidecar its own"
                ) from None
            self._end_line(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self._opened += 1
        self._size = os.fstat(descriptor).st_size
        self._measure()

    def _rotate(self) -> None:
        closed = closed_files(self._path)
        number = closed[-1][0] + 1 if closed else 1
        with suppress(ValueError):
            number = max(number, read_head(_tail(self._descriptor) or b"").sequence)
        self._path.rename(self._path.with_name(f"{self._path.name}.{number}"))
        self.reopen()
        self._open()

    def _measure(self) -> None:
        self._closed_bytes = sum(file.stat().st_size for _, file in closed_files(self._path))

    def removable(self, now: float) -> list[Removal]:
        """Return the oldest closed files that may be removed.

        A file that may not be removed keeps those after it, so that no gap opens.
        """
        found: list[Removal] = []
        try:
            for _, file in closed_files(self._path):
                reason, head = self._removable(file, now)
                if head is None:
                    break
                found.append(Removal(file, head, reason))
        except OSError as error:
            raise SinkError(f"{self._path}: {error.strerror}") from error
        return found

    def _removable(self, file: Path, now: float) -> tuple[str, Head | None]:
        try:
            line = last_line(file)
            head = read_head(line or b"")
            written_at = datetime.fromisoformat(json.loads(line or b"")["timestamp"]).timestamp()
        except (OSError, ValueError, KeyError, TypeError):
            # Not an intact record: a person has to look.
            if file not in self._stuck_at:
                self._stuck_at = (file,)
                _log.error(
                    "closed file of the decision log isn't intact",
                    extra={
                        "file": str(file),
                        "next": "see `tabard audit verify`; it and later ones are kept",
                    },
                )
            return "", None
        if read_mark(file) == head:
            return "shipped", head
        return "kept", head if now - written_at >= self._keep_seconds else None

    def remove(self, removals: Sequence[Removal]) -> None:
        """Remove closed files, oldest first, and their marks."""
        try:
            for removal in removals:
                removal.path.unlink(missing_ok=True)
                mark_of(removal.path).unlink(missing_ok=True)
            self._measure()
        except OSError as error:
            raise SinkError(f"{error.filename or self._path}: {error.strerror}") from error

    def last_line(self) -> bytes | None:
        """Return the last complete line of the file, or of the newest closed file.

        Raises:
            SinkError: the file can't be opened.
        """
        try:
            if self._descriptor < 0:
                self._open()
            line = _tail(self._descriptor)
            closed = closed_files(self._path)
            if line is None and closed:
                line = last_line(closed[-1][1])
        except OSError as error:
            raise SinkError(f"{self._path}: {error.strerror}") from error
        return line

    def reopen(self) -> None:
        """Close the file; the next write opens it again by name."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def close(self) -> None:
        """Close the file."""
        self.reopen()


def closed_files(path: Path) -> list[tuple[int, Path]]:
    """Return the closed files of a log with their numbers, oldest first.

    Raises:
        OSError: the directory can't be read.
    """
    prefix = f"{path.name}."
    return sorted(
        (int(number), path.with_name(name))
        for name in os.listdir(path.parent)  # noqa: PTH208 - names are enough, and cheaper
        if name.startswith(prefix) and (number := name.removeprefix(prefix)).isascii() and number.isdigit()
    )


@contextmanager
def open_log(path: Path, *, regular: bool = False) -> Iterator[BinaryIO]:
    """Open a file of a log for reading. What looks like a closed file must be one; a log that is named may be a pipe.

    ``regular`` refuses a pipe or a device, which may keep a reader for ever.

    Raises:
        OSError: it can't be opened, or isn't a regular file.
    """
    name, _, number = path.name.rpartition(".")
    if name and number.isdigit():
        with open_regular(path, follow=False) as (stream, _):
            yield stream
    elif regular:
        with open_regular(path) as (stream, _):
            yield stream
    else:
        with path.open("rb") as stream:
            yield stream


def mark_of(file: Path) -> Path:
    """Return the path of the mark that says that a closed file was shipped."""
    return file.with_name(f"{file.name}{SHIPPED}")


def read_mark(file: Path) -> Head | None:
    """Return the head in a closed file's mark; ``None`` if there is no mark, or none that can be read."""
    try:
        descriptor = os.open(mark_of(file), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return Head.parse(os.read(descriptor, 256).decode("ascii", "replace").strip())
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)


def last_line(file: Path) -> bytes | None:
    """Return the last line of a file that isn't a link; ``None`` if it has none.

    Raises:
        OSError: the file can't be read.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return _tail(descriptor)
    finally:
        os.close(descriptor)


def _tail(descriptor: int) -> bytes | None:
    """Return the last line of a file, reading no more of its end than that, and at most 64 MiB."""
    size = os.fstat(descriptor).st_size
    step = _TAIL_STEP_BYTES
    while True:
        begin = max(0, size - step)
        lines = os.pread(descriptor, size - begin, begin).splitlines()
        # The first of these lines may have begun earlier.
        whole = lines if begin == 0 else lines[1:]
        found = next((line for line in reversed(whole) if line.strip()), None)
        if found is not None or begin == 0 or step >= _TAIL_BYTES:
            return found
        step *= 8
