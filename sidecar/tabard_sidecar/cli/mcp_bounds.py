"""Bounds what a server of the Model Context Protocol sends to ``tabard catalogue from-mcp``.

Run as a program, it starts a server that speaks over standard input and output, passes its output on up to a number of bytes,
and then ends it: ``python -P -m tabard_sidecar.cli.mcp_bounds BYTES COMMAND…``. The library for MCP reads lines of any length.
Every process that the server has started ends with it, also when the one that asked is interrupted or killed.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import Any, NoReturn

from tabard_sidecar.cli.process_tree import adopt_orphans, end_descendants
from tabard_sidecar.operating.terminal import echo
from tabard_sidecar.util.lean import dataclass

MAX_BYTES = 8 * 1024 * 1024
"""Most bytes that a server may send in one conversation: twice the largest catalogue."""
MAX_LINES = 20_000
"""Most lines that a server may send over standard output; each is a message, also if it is none that can be read."""

_PIECE_BYTES = 65_536
_INPUT = 0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_TURN_SECONDS = 0.2
_GRACE_SECONDS = 1.0  # less than the library for MCP waits before it ends this process
_KILL_SECONDS = 5.0


def within(command: Sequence[str]) -> list[str]:
    """Return the command that runs ``command`` with its output bounded; no module is taken from the current folder."""
    return [sys.executable, "-P", "-m", "tabard_sidecar.cli.mcp_bounds", str(MAX_BYTES), *command]


class TooMuchError(Exception):
    """A server sent more than it may."""

    def __init__(self, most: int, what: str = "bytes") -> None:
        super().__init__(f"the server sent more than {most} {what}")


@dataclass()
class Received:
    """How much one server has sent, over all of its answers, and why the conversation was ended."""

    most: int = MAX_BYTES
    size: int = 0
    problem: str = ""

    async def bound(self, response: Any) -> None:  # noqa: ANN401 - httpx2's
        """Count the bytes of an HTTP response while it is read; a hook of a client.

        Raises:
            TooMuchError: the response is compressed, so its size can't be known before it is unpacked.
        """
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"", "identity"}:
            self.problem = "the server compresses its answers, although it was asked not to"
            raise TooMuchError(self.most)
        response.stream = _counted(response.stream, self)

    def add(self, size: int) -> None:
        """Count bytes.

        Raises:
            TooMuchError: there are too many.
        """
        self.size += size
        if self.size > self.most:
            error = TooMuchError(self.most)
            self.problem = str(error)
            raise error


def _counted(stream: Any, received: Received) -> AsyncIterable[bytes]:  # noqa: ANN401 - httpx2's
    import httpx2  # noqa: PLC0415 - comes with mcp

    class Counted(httpx2.AsyncByteStream):  # type: ignore[misc]  # an extra's
        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for piece in stream:
                received.add(len(piece))
                yield piece

        async def aclose(self) -> None:
            await stream.aclose()

    return Counted()


def main(arguments: Sequence[str]) -> int:
    """Run a server; return its exit code, or 1 if it sent too much, had to be ended, or can't be started."""
    for number in _SIGNALS:
        signal.signal(number, _interrupted)
    adopt_orphans()
    try:
        server = subprocess.Popen(  # noqa: S603 - the operator's command
            list(arguments[1:]), stdout=subprocess.PIPE, start_new_session=True
        )
        assert server.stdout is not None  # noqa: S101 - a pipe was asked for
        _pass_on(server, server.stdout.fileno(), int(arguments[0]))
        return server.poll() or 0
    except TooMuchError as error:
        echo(f"tabard: {error}", err=True)
        return 1
    except BrokenPipeError:
        return 1
    except OSError as error:
        echo(f"tabard: {arguments[1]}: {error.strerror}", err=True)
        return 1
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        end_descendants(_KILL_SECONDS)


def _interrupted(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def _pass_on(server: subprocess.Popen[bytes], output: int, most: int) -> None:
    """Pass a server's output on until it ends, or until a while after the last writer has gone.

    Raises:
        TooMuchError: it sent more than ``most`` bytes, or too many lines.
    """
    size = lines = 0
    watched, leave_at = _watched(output), math.inf
    while time.monotonic() < leave_at:
        ready = dict(watched.poll(_TURN_SECONDS * 1000))
        if ready.get(_INPUT) and leave_at == math.inf:
            watched.unregister(_INPUT)
            leave_at = time.monotonic() + _GRACE_SECONDS
        if output not in ready:
            if server.poll() is not None:
                return  # what it has started may hold its output open
            continue
        piece = os.read(output, _PIECE_BYTES)
        if not piece:
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(_GRACE_SECONDS)
            return
        size, lines = size + len(piece), lines + piece.count(b"\n")
        if size > most:
            raise TooMuchError(most)
        if lines > MAX_LINES:
            raise TooMuchError(MAX_LINES, "lines")
        _write(piece)


def _watched(output: int) -> select.poll:
    """Return what waits for output, and for the end of those that write to the server; its input itself isn't read."""
    watched = select.poll()
    watched.register(output, select.POLLIN)
    with contextlib.suppress(OSError):
        os.fstat(_INPUT)
        watched.register(_INPUT, 0)
    return watched


def _write(piece: bytes) -> None:
    while piece:
        piece = piece[os.write(sys.stdout.fileno(), piece) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
