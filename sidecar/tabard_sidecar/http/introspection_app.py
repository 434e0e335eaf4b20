"""Answers introspection requests with aiohttp. Imported only if introspection is configured."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import sslproto
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from tabard_sidecar.credentials import introspection_response
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.http.clients import Clients
from tabard_sidecar.http.connections import Acceptor, Connection
from tabard_sidecar.http.listener import Listener
from tabard_sidecar.http.pace import Pace
from tabard_sidecar.interfaces import Introspect
from tabard_sidecar.records.metrics import Metrics
from tabard_sidecar.util.descriptors import most_connections

_MAX_BODY_BYTES = 64 * 1024
_SHUTDOWN_SECONDS = 2.0
_UNKNOWN_SECONDS = 5.0
"""How long a connection lasts from which no client's key has come."""
_KNOWN_SECONDS = 30.0
"""How long a connection lasts after a request with a client's key; longer than aiohttp keeps an idle one."""
_READ_BYTES = 4 * 1024
"""What asyncio reads from a connection at once. Its default of 256 KiB holds hundreds of small requests, which aiohttp parses in
one turn of the loop, and takes that memory for each TLS handshake."""
_CHALLENGE = 'Bearer realm="tabard", Basic realm="tabard"'
_HEADERS = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class IntrospectionServer:
    """Listens on ``introspection.listen``.

    Args:
        address: ``host:port`` or ``unix:/path``.
        clients: authenticates clients.
        introspect: returns the description of an active credential.
        metrics: where requests are counted.
        tls: certificate and key, if connections are encrypted.
    """

    def __init__(
        self,
        address: str,
        clients: Clients,
        introspect: Introspect,
        metrics: Metrics,
        *,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._acceptor = Acceptor(
            self._serve, most=most_connections("introspection"), seconds=_UNKNOWN_SECONDS
        )
        # A handshake costs milliseconds of the loop; every peer that reaches the port may begin one.
        self._pace = Pace(each=10, all_together=40, known=200, patience=1.0)
        application = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[_one_a_turn])
        handler = _Handler(clients, introspect, metrics, self._acceptor, self._pace)
        application.router.add_post("/introspect", handler.introspect)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_SHUTDOWN_SECONDS,
            keepalive_timeout=15,
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

    async def _serve(self, connection: Connection) -> None:
        """Let aiohttp serve one connection until it ends."""
        server = self._runner.server
        if server is None or (self._tls is not None and not await self._pace.turn(connection.peer)):
            return
        _, watched = await asyncio.get_running_loop().connect_accepted_socket(
            partial(_Watched, server, encrypted=self._tls is not None),
            connection.socket,
            ssl=self._tls,
            ssl_handshake_timeout=_UNKNOWN_SECONDS if self._tls else None,
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


class _BadRequest(Exception):
    """A request that can't be read; says what to send."""


class _Handler:
    def __init__(
        self, clients: Clients, introspect: Introspect, metrics: Metrics, acceptor: Acceptor, pace: Pace
    ) -> None:
        self._clients = clients
        self._introspect = introspect
        self._metrics = metrics
        self._acceptor = acceptor
        self._pace = pace

    async def introspect(self, request: web.Request) -> web.Response:
        """Answer one request. A client that isn't entitled only gets ``{"active": false}`` (RFC 7662, section 2.2)."""
        client = self._clients.authenticate(request.headers.get("Authorization", ""))
        if client is None:
            self._metrics.introspections.labels("unauthorized").inc()
            refusal = _answer({"error": "invalid_client"}, 401, {"WWW-Authenticate": _CHALLENGE})
            refusal.force_close()  # what else was sent on the connection isn't worth reading
            return refusal
        self._keep(request)
        try:
            token = await _token(request)
        except _BadRequest as error:
            refusal = _answer({"error": "invalid_request", "error_description": str(error)}, 400)
            refusal.force_close()
            return refusal
        try:
            found = await self._introspect(token)
        except NoDecision as error:
            # Whether the credential is active isn't known: the backend has to refuse, and may retry.
            return _answer({"error": "temporarily_unavailable", "error_description": error.message}, 503)
        if found is None or found.audience not in client.audiences:
            self._metrics.introspections.labels("inactive").inc()
            return _answer(introspection_response(None))
        self._metrics.introspections.labels("active").inc()
        return _answer(introspection_response(found))

    def _keep(self, request: web.Request) -> None:
        """Keep the connection of an authenticated client."""
        transport = request.transport
        used = None if transport is None else transport.get_extra_info("socket")
        connection = None if used is None else self._acceptor.of(used.fileno())
        if connection is not None:
            connection.keep(_KNOWN_SECONDS)
            self._pace.know(connection.peer)


async def _token(request: web.Request) -> str:
    """Return the credential that a request asks about.

    Raises:
        _BadRequest: it isn't a form with one token.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise _BadRequest("send application/x-www-form-urlencoded")
    try:
        form = await request.post()
    except (HttpProcessingError, web.RequestPayloadError, LookupError, ValueError) as error:
        # Unknown charset, wrong UTF-8, broken compression.
        raise _BadRequest("send a form in UTF-8, not compressed") from error
    tokens = form.getall("token", [])
    if len(tokens) != 1 or not isinstance(tokens[0], str) or not tokens[0]:
        raise _BadRequest("send exactly one token")
    return tokens[0]


def _answer(
    document: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.json_response(document, status=status, headers={**_HEADERS, **(headers or {})})
