"""Answers introspection requests with aiohttp. Imported only if introspection is configured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from tabard_sidecar.credentials import introspection_response
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.http.aiohttp_server import AiohttpServer, Bounds, Tls
from tabard_sidecar.http.clients import Clients
from tabard_sidecar.http.pace import Pace
from tabard_sidecar.interfaces import Introspect
from tabard_sidecar.records.metrics import Metrics
from tabard_sidecar.util.descriptors import most_connections

_MAX_BODY_BYTES = 64 * 1024
_KNOWN_SECONDS = 30.0
"""How long a connection lasts after a request with a client's key."""
_IDLE_SECONDS = 15.0
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
        tls: Tls | None,
    ) -> None:
        bounds = Bounds(
            most_connections("introspection"),
            _KNOWN_SECONDS,
            _IDLE_SECONDS,
            # A handshake costs milliseconds of the loop; every peer that reaches the port may begin one.
            Pace(each=10, all_together=40, known=200, patience=1.0),
        )
        application = web.Application(client_max_size=_MAX_BODY_BYTES)
        self._server = AiohttpServer(application, address, bounds, tls=tls)
        handler = IntrospectionHandler(
            clients, introspect, lambda result: metrics.introspections.labels(result).inc(), self._server.keep
        )
        application.router.add_post("/introspect", handler.introspect)

    @property
    def address(self) -> str:
        """Where it listens; after the start with the actual port."""
        return self._server.address

    async def start(self) -> None:
        """Start listening.

        Raises:
            BindError: the address is in use or isn't this machine's.
        """
        await self._server.start()

    async def stop(self) -> None:
        """Finish running requests and stop listening."""
        await self._server.stop()


class _BadRequest(Exception):
    """A request that can't be read; says what to send."""


class IntrospectionHandler:
    """Answers backends' requests about the credentials of one zone.

    Args:
        clients: authenticates clients.
        introspect: returns the description of an active credential.
        count: called with the result: active, inactive or unauthorized.
        keep: keeps the connection of a request with a client's key.
    """

    def __init__(
        self,
        clients: Clients,
        introspect: Introspect,
        count: Callable[[str], None],
        keep: Callable[[web.Request], None],
    ) -> None:
        self._clients = clients
        self._introspect = introspect
        self._count = count
        self._keep = keep

    async def introspect(self, request: web.Request) -> web.Response:
        """Answer one request. A client that isn't entitled only gets ``{"active": false}`` (RFC 7662, section 2.2)."""
        client = self._clients.authenticate(request.headers.get("Authorization", ""))
        if client is None:
            self._count("unauthorized")
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
            self._count("inactive")
            return _answer(introspection_response(None))
        self._count("active")
        return _answer(introspection_response(found))


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
