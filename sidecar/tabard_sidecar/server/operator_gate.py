"""Accepts operators' connections and notes who connects, which gRPC doesn't tell.

The kernel knows user and process at the other end of a unix socket (SO_PEERCRED, unix(7)). The gate listens on the
operators' socket, asks the kernel and passes the bytes to the gRPC server, on a socket beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

from tabard.peer import peer_of

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.server.onward import Onward
from tabard_sidecar.util.sockets import OwnedSocket

MAX_CONNECTIONS = 16
"""Operators' connections at once; one more is closed."""


class OperatorGate:
    """Stands before the operators' gRPC server.

    Args:
        owned: the operators' socket.
    """

    def __init__(self, owned: OwnedSocket) -> None:
        self._owned = owned
        # As long as the socket's own path, which fits into an address.
        name = owned.path.name
        self.inner = OwnedSocket(owned.path.with_name(name[:-1] + ("~" if name[-1] != "~" else "-")))
        self._onward: Onward[dict[str, int]] = Onward(self.inner.path)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def by(self, peer: str) -> dict[str, Any]:
        """Return who is at the other end of an RPC, given gRPC's name of its peer: user, group and process.

        Raises:
            NoDecision: the connection didn't come through the gate.
        """
        known = self._onward.of(peer)
        if known is None:
            raise NoDecision(
                "INVALID_ARGUMENT",
                "request_invalid",
                "connect to listen.operator, not to the socket beside it",
            )
        return {"operator": known}

    async def start(self) -> None:
        """Listen on the operators' socket."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
        with self._owned.binding():
            listener.bind(str(self._owned.path))
        self._server = await asyncio.start_unix_server(self._accept, sock=listener)

    async def stop(self) -> None:
        """Accept no further connection and close those that are open."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._tasks) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._pass(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pid, uid, gid = peer_of(writer.get_extra_info("socket"))
        await self._onward.carry(reader, writer, {"uid": uid, "gid": gid, "pid": pid})
