"""Token introspection for backends (RFC 7662), on a listener of its own that agents don't reach."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tabard_sidecar.http.clients import Clients
from tabard_sidecar.http.conf import IntrospectionConfig
from tabard_sidecar.http.server import HttpServer
from tabard_sidecar.model import Introspection
from tabard_sidecar.records.metrics import Metrics

Introspect = Callable[[str], Awaitable[Introspection | None]]

_MAX_BODY_BYTES = 64 * 1024
_CHALLENGE = 'Bearer realm="tabard", Basic realm="tabard"'
_HEADERS = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def create_introspection_server(
    config: IntrospectionConfig, *, introspect: Introspect, metrics: Metrics
) -> HttpServer | None:
    """Return the server of ``introspection.listen``, not started yet; ``None`` if it isn't configured.

    Args:
        config: the section ``introspection``.
        introspect: describes a credential that is active now, ``None`` for every other string.
        metrics: where requests are counted.

    Raises:
        ClientKeyError: a client's key file can't be used.
        OSError: certificate or key of the listener can't be read.
    """
    if config.listen is None:
        return None
    application = web.Application(client_max_size=_MAX_BODY_BYTES)
    handler = _Handler(Clients(config.clients), introspect, metrics)
    application.router.add_post("/introspect", handler.introspect)
    tls = None
    if config.tls_certificate_file is not None and config.tls_key_file is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        tls.load_cert_chain(config.tls_certificate_file, config.tls_key_file)
    return HttpServer(application, config.listen, tls=tls)


class _Handler:
    def __init__(self, clients: Clients, introspect: Introspect, metrics: Metrics) -> None:
        self._clients = clients
        self._introspect = introspect
        self._metrics = metrics

    async def introspect(self, request: web.Request) -> web.Response:
        """Answer one request; whoever may not know learns ``{"active": false}`` and nothing else (section 2.2)."""
        client = self._clients.authenticate(request.headers.get("Authorization", ""))
        if client is None:
            self._metrics.introspections.labels("unauthorized").inc()
            return _answer({"error": "invalid_client"}, 401, {"WWW-Authenticate": _CHALLENGE})
        if request.content_type != "application/x-www-form-urlencoded":
            return _answer(_bad_request("send application/x-www-form-urlencoded"), 400)
        form = await request.post()
        tokens = form.getall("token", [])
        if len(tokens) != 1 or not isinstance(tokens[0], str) or not tokens[0]:
            return _answer(_bad_request("send exactly one token"), 400)
        found = await self._introspect(tokens[0])
        if found is None or found.audience not in client.audiences:
            self._metrics.introspections.labels("inactive").inc()
            return _answer({"active": False})
        self._metrics.introspections.labels("active").inc()
        return _answer(_describe(found))


def _describe(found: Introspection) -> dict[str, Any]:
    """Return the credential's own claims, the members of RFC 7662 section 2.2 and what Tabard adds to them."""
    return {
        **found.claims,
        "active": True,
        "scope": " ".join(found.scopes),
        "token_type": "Bearer",
        "exp": int(found.expires_at),
        "iat": int(found.issued_at),
        "sub": found.subject_id,
        "aud": found.audience,
        "jti": found.credential_id,
        "sub_iss": found.subject_issuer,
        "tabard_kind": found.kind,
        "tabard_task": found.task_id,
        "tabard_tool": found.tool,
        "tabard_call_digest": found.call_digest,
        "tabard_single_use": found.single_use,
    }


def _bad_request(description: str) -> dict[str, str]:
    return {"error": "invalid_request", "error_description": description}


def _answer(
    document: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.json_response(document, status=status, headers={**_HEADERS, **(headers or {})})
