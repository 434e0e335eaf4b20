"""Writes the decision log's lines to standard output.

When a write returns, the whole line has been passed to the kernel. A sink removes partial lines where it can, and after
a failure retries at the next write.
"""

from __future__ import annotations

import asyncio
import os
import select
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tabard_sidecar.records.chain import Head
from tabard_sidecar.util.lean import dataclass

_PIPE_CHUNK = 4096  # PIPE_BUF: bytes that a writable pipe accepts without blocking, pipe(7)
_POLL_SECONDS = 0.002
_PLACE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Removal:
    """A closed file that may be removed.

    ``head`` is the head of the chain after its last record; ``reason`` is ``kept`` or ``shipped``.
    """

    path: Path
    head: Head
    reason: str


class SinkError(Exception):
    """A line couldn't be written; the message says why and what to do."""


class SinkFullError(SinkError):
    """The records take all the space that they may take."""


class Sink(Protocol):
    """Takes complete lines.

    Attributes:
        terminal: whether lines reach a terminal, which obeys control characters.
    """

    terminal: bool

    async def write(self, line: bytes, *, own: bool = False, room: int = 0) -> None:
        """Write one line.

        Args:
            line: the line with its newline.
            own: it is a note of the log itself, for which some space is kept back.
            room: bytes that must be free after it.

        Raises:
            SinkFullError: there is no space for the line.
            SinkError: the line wasn't written.
        """
        ...

    def place(self, size: int) -> int:
        """Make ready for a line of at most that size; return a number that differs when it goes to another file.

        Raises:
            SinkError: the file can't be opened.
        """
        ...

    def check(self, size: int = 1) -> None:
        """Check that there is space for records of so many bytes.

        Raises:
            SinkError: there is none.
        """
        ...

    def probe(self) -> None:
        """Check all that can be checked without writing a record; takes longer than :meth:`check`.

        Raises:
            SinkError: a record couldn't be written.
        """
        ...

    def removable(self, now: float) -> list[Removal]:
        """Return what may be removed now: files that were kept for their time or are marked as shipped."""
        ...

    def remove(self, removals: Sequence[Removal]) -> None:
        """Remove files.

        Raises:
            SinkError: a file can't be removed.
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
        self.terminal = os.isatty(self._descriptor)

    async def write(self, line: bytes, *, own: bool = False, room: int = 0) -> None:  # noqa: ARG002 - space is the reader's
        """Write one line, in chunks as the pipe accepts them."""
        pending = memoryview(b"\n" + line if self._torn else line)
        begun = False
        try:
            while pending:
                await self._wait_for_room()
                written = os.write(self._descriptor, pending[:_PIPE_CHUNK])
                begun = begun or written > 0
                pending = pending[written:]
        except BaseException as error:
            # A request that is cancelled while it waits counts, too: the next line mustn't be glued to the half of this one.
            self._torn = self._torn or begun
            if isinstance(error, OSError):
                raise SinkError(f"standard output: {error.strerror}") from error
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

    def place(self, size: int) -> int:  # noqa: ARG002 - the interface's argument
        """Return the present minute: who keeps a stream cuts it somewhere, and a part of it should be understood alone."""
        return int(time.monotonic() // _PLACE_SECONDS)

    def check(self, size: int = 1) -> None:
        """Do nothing: only a write tells whether a stream takes it."""

    def probe(self) -> None:
        """Write nothing at all, which tells whether there is a reader and space; a stalled reader shows in a write."""
        try:
            os.write(self._descriptor, b"")
        except OSError as error:
            raise SinkError(f"standard output: {error.strerror}") from error
        if any(event & (select.POLLERR | select.POLLNVAL) for _, event in self._poll.poll(0)):
            raise SinkError("standard output: its reader is gone")

    def removable(self, now: float) -> list[Removal]:  # noqa: ARG002 - the interface's argument
        """Return nothing: a stream keeps no files."""
        return []

    def remove(self, removals: Sequence[Removal]) -> None:
        """Do nothing: a stream keeps no files."""

    def last_line(self) -> bytes | None:
        """Return ``None``: a stream can't be read back."""
        return None

    def reopen(self) -> None:
        """Do nothing: an inherited descriptor can't be reopened."""

    def close(self) -> None:
        """Close the duplicate descriptor."""
        os.close(self._descriptor)
