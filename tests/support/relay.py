"""A relay before a unix socket that can keep the answers back."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Relay:
    """Passes bytes on in both directions, answers only while ``answers`` is true."""

    def __init__(self) -> None:
        self.answers = True

    async def serve(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection to the socket ``target``."""
        their_reader, their_writer = await asyncio.open_unix_connection(target)
        await asyncio.gather(
            self._pass(reader, their_writer, answers=False), self._pass(their_reader, writer, answers=True)
        )

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        try:
            with suppress(OSError):
                while data := await source.read(65_536):
                    if self.answers or not answers:
                        sink.write(data)
                        await sink.drain()
        finally:
            sink.close()


@asynccontextmanager
async def relay(path: str, target: str) -> AsyncIterator[Relay]:
    """Relay connections to the socket ``path`` for the length of a block."""
    made = Relay()
    running: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(made.serve(target, reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_unix_server(accept, path)
    try:
        yield made
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
