"""Probes a sidecar's health as an orchestrator does, beside a twin: a process that serves the same page and does nothing else.

The twin and the probing process are on the same machine under the same load, so a machine that is slow is slow for both.
``python -m testbed.probing serve SOCKET`` is the twin, ``python -m testbed.probing probe SOCKET…`` the probing process.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

_EVERY_SECONDS = 0.02
_LONGEST_SECONDS = 20.0
_COMMAND = (sys.executable, "-m", "testbed.probing")
_REQUEST = b"GET /healthz HTTP/1.0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: when it was asked for, in seconds of the machine's monotonic clock, and how long it took, in seconds."""

    asked: float
    took: float


@dataclass(slots=True)
class Probes:
    """The answers of several sockets, in the order in which the sockets were named."""

    answers: list[list[Answer]] = field(default_factory=list)

    def between(self, number: int, begin: float, end: float) -> list[float]:
        """Return how long the answers of one socket took that were asked for in a span, in seconds."""
        return [answer.took for answer in self.answers[number] if begin <= answer.asked < end]


@asynccontextmanager
async def twin(path: Path) -> AsyncIterator[None]:
    """Run a twin that listens on ``path``."""
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, "serve", str(path), stdout=asyncio.subprocess.PIPE
    )
    try:
        if process.stdout is not None:
            await process.stdout.readline()
        yield
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def probing(paths: Sequence[Path]) -> AsyncIterator[Probes]:
    """Probe sockets in turns, in a process of its own, for as long as the context lasts."""
    probes = Probes([[] for _ in paths])
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, "probe", *map(str, paths), stdout=asyncio.subprocess.PIPE
    )

    async def read() -> None:
        async for line in process.stdout or asyncio.StreamReader():
            number, asked, took = line.split()
            probes.answers[int(number)].append(Answer(float(asked), float(took)))

    reading = asyncio.create_task(read())
    try:
        yield probes
    finally:
        process.kill()
        await process.wait()
        await reading


def ask(path: str) -> float:
    """Ask for health once; return how long the answer took, in seconds, or the longest wait if there was none."""
    began = time.perf_counter()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_LONGEST_SECONDS)
        try:
            connection.connect(path)
            connection.sendall(_REQUEST)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        except OSError:
            return _LONGEST_SECONDS
    return time.perf_counter() - began if answer.startswith(b"HTTP/1.1 200") else _LONGEST_SECONDS


def _probe(paths: Sequence[str]) -> None:
    while True:
        for number, path in enumerate(paths):
            asked = time.monotonic()
            sys.stdout.write(f"{number} {asked} {ask(path)}\n")
            sys.stdout.flush()
        time.sleep(_EVERY_SECONDS)


async def _serve(path: str) -> None:
    from tabard_sidecar.health import Health  # noqa: PLC0415 - the probing process needs neither
    from tabard_sidecar.http.app import create_health_server  # noqa: PLC0415 - the same

    server = create_health_server(f"unix:{path}", Health())
    await server.start()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    """Do what the arguments say."""
    command, *arguments = sys.argv[1:]
    if command == "serve":
        sys.setswitchinterval(0.001)
        asyncio.run(_serve(*arguments))
    else:
        _probe(arguments)


if __name__ == "__main__":
    main()
