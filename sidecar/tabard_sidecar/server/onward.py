"""Passes accepted connections on to a gRPC server and notes what is known of each, which gRPC doesn't tell.

The gRPC server listens on a unix socket. To it every connection is made from an address of its own, unguessable and in use as
long as the connection, by which a request finds again what is known. A connection that is made in another way has no such
address, and its requests are refused.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from pathlib import Path
from typing import Any, Generic, TypeVar

_CHUNK = 64 * 1024
_PREFIX = "tabard-operator-"
_SCHEME = "unix-abstract:"
_Known = TypeVar("_Known")


class Onward(Generic[_Known]):
    """Connections to one gRPC server.

    Args:
        path: the unix socket on which it listens.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, _Known] = {}

    def of(self, peer: str) -> _Known | None:
        """Return what is known of the connection of an RPC, given gRPC's name of its peer; ``None`` if it didn't come so."""
        return self._known.get(peer)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, known: _Known) -> None:
        """Copy both ways until one side has ended.

        Raises:
            OSError: the server can't be reached, or a side broke.
        """
        name = f"{_PREFIX}{secrets.token_hex(16)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as onward:
            onward.setblocking(False)  # noqa: FBT003 - the standard library's signature
            onward.bind(f"\0{name}")
            peer = f"{_SCHEME}{name}"
            self._known[peer] = known
            try:
                await asyncio.get_running_loop().sock_connect(onward, str(self._path))
                inner_reader, inner_writer = await asyncio.open_unix_connection(sock=onward.dup())
                try:
                    await _both(_copy(reader, inner_writer), _copy(inner_reader, writer))
                finally:
                    inner_writer.close()
            finally:
                del self._known[peer]


async def _both(*copies: Any) -> None:  # noqa: ANN401 - coroutines
    """Copy both ways until one side has ended."""
    tasks = [asyncio.ensure_future(copy) for copy in copies]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_CHUNK):
        writer.write(piece)
        await writer.drain()
