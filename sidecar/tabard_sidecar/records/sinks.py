"""Writes the decision log's lines to standard output or a file.

When a write returns, the whole line has been passed to the kernel. A sink removes partial lines where it can, and after
a failure retries at the next write.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import select
import stat
import time
from pathlib import Path
from typing import Protocol

_PIPE_CHUNK = 4096  # PIPE_BUF: bytes that a writable pipe accepts without blocking, pipe(7)
_POLL_SECONDS = 0.002
_RECHECK_SECONDS = 1.0
_TAIL_BYTES = 8 * 1024 * 1024


class SinkError(Exception):
    """A line couldn't be written; the message says why and what to do."""


class Sink(Protocol):
    """Takes complete lines."""

    async def write(self, line: bytes) -> None:
        """Write one line.

        Raises:
            SinkError: the line wasn't written.
        """
        ...

    def last_line(self) -> bytes | None:
        """Return the last complete line that an earlier process wrote, if the sink can read it."""
        ...

    def reopen(self) -> None:
        """Reopen the sink at the next write, for example after an external log rotation."""
        ...

    def close(self) -> None:
        """Close the sink."""
        ...


class StreamSink:
    """Writes to an inherited descriptor: standard output, a pipe or a terminal.

    A stalled reader must not stop the process. So a write only happens when the descriptor accepts it at once, and waits
    for that at most ``stall_seconds``.
    """

    def __init__(self, descriptor: int, *, stall_seconds: float) -> None:
        self._descriptor = os.dup(descriptor)
        self._stall_seconds = stall_seconds
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLOUT)
        self._torn = False
        self._stalled = False

    async def write(self, line: bytes) -> None:
        """Write one line, in chunks as the pipe accepts them."""
        pending = memoryview(b"\n" + line if self._torn else line)
        begun = False
        try:
            while pending:
                await self._wait_for_room()
                written = os.write(self._descriptor, pending[:_PIPE_CHUNK])
                begun = begun or written > 0
                pending = pending[written:]
        except OSError as error:
            self._torn = self._torn or begun
            raise SinkError(f"standard output: {error.strerror}") from error
        except SinkError:
            self._torn = self._torn or begun
            raise
        self._torn = False

    async def _wait_for_room(self) -> None:
        if self._poll.poll(0):
            self._stalled = False
            return
        deadline = time.monotonic() + (0 if self._stalled else self._stall_seconds)
        while time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
            if self._poll.poll(0):
                return
        self._stalled = True
        raise SinkError("standard output: its reader is too slow")

    def last_line(self) -> bytes | None:
        """Return ``None``: a stream can't be read back."""
        return None

    def reopen(self) -> None:
        """Do nothing: an inherited descriptor can't be reopened."""

    def close(self) -> None:
        """Close the duplicate descriptor."""
        os.close(self._descriptor)


class FileSink:
    """Appends to a file, and renames it to ``<path>.1``, ``<path>.2``… when it has grown to ``max_bytes``."""

    def __init__(self, path: Path, *, max_bytes: int, keep_files: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep_files = keep_files
        self._descriptor = -1
        self._size = 0
        self._check_at = 0.0

    async def write(self, line: bytes) -> None:
        """Append one line; a partial line, left by a full disk, is truncated."""
        try:
            self._prepare(len(line))
            written = os.write(self._descriptor, line)
            if written != len(line):
                os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.reopen()
            raise SinkError(f"{self._path}: {error.strerror}") from error
        self._size += written

    def _prepare(self, size: int) -> None:
        now = time.monotonic()
        if self._descriptor >= 0 and now >= self._check_at:
            self._check_at = now + _RECHECK_SECONDS
            self._notice_replacement()
        if self._descriptor < 0:
            self._open()
            self._check_at = now + _RECHECK_SECONDS
        if self._size and self._size + size > self._max_bytes:
            self._rotate()

    def _notice_replacement(self) -> None:
        """Close the file if it was moved or removed."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            self.reopen()
            return
        here = os.fstat(self._descriptor)
        if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
            self.reopen()
        self._size = there.st_size

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(self._path, flags, 0o600)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OSError(
                    errno.EBUSY, "another process writes this file; give each sidecar its own"
                ) from None
            if found.st_size and os.pread(descriptor, 1, found.st_size - 1) != b"\n":
                os.write(descriptor, b"\n")
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size

    def _rotate(self) -> None:
        numbered = [
            self._path.with_name(f"{self._path.name}.{number}") for number in range(1, self._keep_files + 1)
        ]
        for older, newer in zip(reversed(numbered), [*reversed(numbered[:-1]), self._path], strict=True):
            if newer.exists():
                newer.replace(older)
        self.reopen()
        self._open()

    def last_line(self) -> bytes | None:
        """Return the last complete line of the file, or of the last renamed file.

        Raises:
            SinkError: the file can't be opened.
        """
        try:
            if self._descriptor < 0:
                self._open()
            line = _tail(self._descriptor)
            before = self._path.with_name(f"{self._path.name}.1")
            if line is None and before.exists():
                descriptor = os.open(before, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    line = _tail(descriptor)
                finally:
                    os.close(descriptor)
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


def _tail(descriptor: int) -> bytes | None:
    """Return the last line of a file, reading at most its last 8 MiB."""
    size = os.fstat(descriptor).st_size
    begin = max(0, size - _TAIL_BYTES)
    lines = os.pread(descriptor, size - begin, begin).splitlines()
    return next((line for line in reversed(lines) if line.strip()), None)
