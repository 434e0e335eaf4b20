"""Accepts operators' connections over TLS, and passes them on to a gRPC server.

gRPC's own listener bounds their number only, so a stranger could hold every place. Here one that hasn't proven who it is lasts
seconds and gives way to others, handshakes are paced, and a renewed certificate is used for the next connection.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tabard_sidecar.http.connections import Acceptor, Connection
from tabard_sidecar.http.listener import Listener
from tabard_sidecar.http.pace import Pace
from tabard_sidecar.server.onward import Onward

if TYPE_CHECKING:
    from tabard_sidecar.http.aiohttp_server import Tls

CONNECTIONS = 64
"""Most connections at once."""
_UNKNOWN_SECONDS = 5.0
_KNOWN_SECONDS = 600.0
_FLUSH_SECONDS = 2.0
_BUFFER_BYTES = 16 * 1024


class OperatorListener:
    """Listens on one address.

    Args:
        address: ``host:port``.
        inner: unix socket of the gRPC server.
        tls: certificate and key for the next connection, for HTTP/2.

    Attributes:
        address: the actual address, once it is started.
    """

    def __init__(self, address: str, inner: Path, tls: Tls) -> None:
        self.address = address
        self._tls = tls
        self._onward: Onward[Connection] = Onward(inner)
        self._acceptor = Acceptor(self._serve, most=CONNECTIONS, seconds=_UNKNOWN_SECONDS)
        self._pace = Pace(each=20, all_together=100, known=100, patience=2.0)
        self._listener: Listener | None = None

    async def start(self) -> None:
        """Start listening.

        Raises:
            BindError: the address is in use or isn't this machine's.
        """
        self._listener = Listener(self.address)
        self.address = self._listener.address
        self._acceptor.start(self._listener.socket)

    async def stop(self) -> None:
        """Accept no more and end open connections."""
        await self._acceptor.stop()
        if self._listener is not None:
            self._listener.close()

    def keep(self, peer: str) -> None:
        """Keep a connection whose caller has proven who it is, given gRPC's name of its peer."""
        connection = self._onward.of(peer)
        if connection is not None:
            connection.keep(_KNOWN_SECONDS)
            self._pace.know(connection.peer)

    async def _serve(self, connection: Connection) -> None:
        if not await self._pace.turn(connection.peer):
            return
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_BUFFER_BYTES)
        transport, protocol = await loop.connect_accepted_socket(
            lambda: asyncio.StreamReaderProtocol(reader),
            connection.socket,
            ssl=self._tls(),
            ssl_handshake_timeout=_UNKNOWN_SECONDS,
        )
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            encrypted: ssl.SSLObject = writer.get_extra_info("ssl_object")
            if encrypted.selected_alpn_protocol() == "h2":
                await self._onward.carry(reader, writer, connection)
            # What the server has answered goes out before the socket is closed.
            writer.close()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_FLUSH_SECONDS):
                    await writer.wait_closed()
        finally:
            writer.transport.abort()
