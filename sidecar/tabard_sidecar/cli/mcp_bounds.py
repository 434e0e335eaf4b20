"""Bounds what a server of the Model Context Protocol sends to ``tabard catalogue from-mcp``.

Run as a program, it starts a server that speaks over standard input and output, passes its output on up to a number of bytes,
and then ends it: ``python -P -m tabard_sidecar.cli.mcp_bounds BYTES COMMAND…``. The library for MCP reads lines of any length.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from tabard_sidecar.cli.terminal import echo

MAX_BYTES = 8 * 1024 * 1024
"""Most bytes that a server may send in one conversation: twice the largest catalogue."""
MAX_LINES = 20_000
"""Most lines that a server may send over standard output; each is a message, also if it is none that can be read."""

_PIECE_BYTES = 65_536


def within(command: Sequence[str]) -> list[str]:
    """Return the command that runs ``command`` with its output bounded; no module is taken from the current folder."""
    return [sys.executable, "-P", "-m", "tabard_sidecar.cli.mcp_bounds", str(MAX_BYTES), *command]


class TooMuchError(Exception):
    """A server sent more than it may."""

    def __init__(self, most: int, what: str = "bytes") -> None:
        super().__init__(f"the server sent more than {most} {what}")


@dataclass
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
    """Run a server; return its exit code, or 1 if it sent too much or can't be started."""
    most, size, lines = int(arguments[0]), 0, 0
    try:
        server = subprocess.Popen(list(arguments[1:]), stdout=subprocess.PIPE)  # noqa: S603 - the operator's command
    except OSError as error:
        echo(f"tabard: {arguments[1]}: {error.strerror}", err=True)
        return 1
    assert server.stdout is not None  # noqa: S101 - a pipe was asked for
    reader = server.stdout.fileno()
    try:
        while piece := os.read(reader, _PIECE_BYTES):
            size, lines = size + len(piece), lines + piece.count(b"\n")
            if size > most:
                raise TooMuchError(most)
            if lines > MAX_LINES:
                raise TooMuchError(MAX_LINES, "lines")
            _write(piece)
        return server.wait()
    except TooMuchError as error:
        echo(f"tabard: {error}", err=True)
        return 1
    except BrokenPipeError:
        return 1
    finally:
        if server.poll() is None:
            server.kill()
        server.wait()


def _write(piece: bytes) -> None:
    while piece:
        piece = piece[os.write(sys.stdout.fileno(), piece) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
