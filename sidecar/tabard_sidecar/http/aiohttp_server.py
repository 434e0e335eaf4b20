"""Serves an application of aiohttp within bounds: connections, their time, handshakes, and one request a turn of the loop."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import sslproto
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from tabard_sidecar.http.connections import Acceptor, Connection
from tabard_sidecar.http.listener import Listener
from tabard_sidecar.http.pace import Pace
from tabard_sidecar.util.lean import dataclass

_SHUTDOWN_SECONDS = 2.0
_UNKNOWN_SECONDS = 5.0
"""How long a connection lasts from which nothing useful has come."""
_READ_BYTES = 4 * 1024
"""What asyncio reads from a connection at once. Its default of 256 KiB holds hundreds of small requests, which aiohttp parses in
one turn of the loop, and takes that memory for each TLS handshake."""

Tls = Callable[[], ssl.SSLContext]
"""Returns certificate and key for the next connection."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What peers of one listener may take.

    Attributes:
        connections: most connections at once.
        known_seconds: how long a connection lasts after a useful request.
        idle_seconds: how long one may be idle; less than ``known_seconds``.
        pace: handshakes of TLS per second.
    """

    connections: int
    known_seconds: float
    idle_seconds: float
    pace: Pace


class AiohttpServer:
    """Listens on one address.

    Args:
        application: answers requests. Its handlers call :meth:`keep`.
        address: ``host:port`` or ``unix:/path``.
        bounds: what peers may take.
        tls: certificate and key, if connections are encrypted.
    """

    def __init__(
        self, application: web.Application, address: str, bounds: Bounds, *, tls: Tls | None = None
    ) -> None:
        application.middlewares.insert(0, _one_a_turn)
        self._acceptor = Acceptor(self._serve, most=bounds.connections, seconds=_UNKNOWN_SECONDS)
        self._bounds = bounds
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_SHUTDOWN_SECONDS,
            keepalive_timeout=bounds.idle_seconds,
            max_line_size=4096,
            max_field_size=8190,
        )
        self._tls = tls
        if tls is not None:
            setattr(sslproto.SSLProtocol, "max_size", _READ_BYTES)  # noqa: B010 - typeshed doesn't know it
        self._listener: Listener | None = None
        self.address = address

    async def start(self) -> None:
        """Start listening; ``address`` then holds the actual address, also if port 0 was configured.

        Raises:
            BindError: the address is in use or isn't this machine's.
        """
        self._listener = Listener(self.address)
        self.address = self._listener.address
        await self._runner.setup()
        self._acceptor.start(self._listener.socket)

    async def stop(self) -> None:
        """Finish running requests and stop listening."""
        await self._runner.cleanup()
        await self._acceptor.stop()
        if self._listener is not None:
            self._listener.close()

    def keep(self, request: web.Request) -> None:
        """Keep the connection of a request from a peer that has proven to be of use."""
        transport = request.transport
        used = None if transport is None else transport.get_extra_info("socket")
        connection = None if used is None else self._acceptor.of(used.fileno())
        if connection is not None:
            connection.keep(self._bounds.known_seconds)
            self._bounds.pace.know(connection.peer)

    async def _serve(self, connection: Connection) -> None:
        """Let aiohttp serve one connection until it ends."""
        server, encrypted = self._runner.server, self._tls is not None
        if server is None or (encrypted and not await self._bounds.pace.turn(connection.peer)):
            return
        _, watched = await asyncio.get_running_loop().connect_accepted_socket(
            partial(_Watched, server, encrypted=encrypted),
            connection.socket,
            ssl=self._tls() if self._tls else None,
            ssl_handshake_timeout=_UNKNOWN_SECONDS if encrypted else None,
        )
        await watched.ended.wait()


class _Watched(asyncio.Protocol):
    """Passes everything to aiohttp's protocol and tells when the connection has ended."""

    def __init__(self, make: Callable[[], asyncio.Protocol], *, encrypted: bool) -> None:
        self._protocol = make()
        self._encrypted = encrypted
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        setattr(transport, "max_size", _READ_BYTES)  # noqa: B010 - typeshed doesn't know it
        if self._encrypted:
            # What TLS keeps while aiohttp doesn't read is given to it in one turn afterwards.
            getattr(transport, "set_read_buffer_limits")(_READ_BYTES)  # noqa: B009
        self._protocol.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._protocol.connection_lost(error)
        self.ended.set()


@web.middleware
async def _one_a_turn(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Let everything else have its turn before each request: a connection may bring hundreds at once."""
    await asyncio.sleep(0)
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        refusal.force_close()
        raise
