"""Health, metrics and public keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from tabard_sidecar.config.addresses import is_local
from tabard_sidecar.http.conf import HttpConfig
from tabard_sidecar.http.health import Health
from tabard_sidecar.http.server import HttpServer

_MAX_BODY_BYTES = 1024


def create_http_server(
    config: HttpConfig,
    *,
    health: Health,
    registry: CollectorRegistry,
    jwks: Callable[[], Mapping[str, Any]] | None = None,
) -> HttpServer:
    """Return the server of ``http.listen``, not started yet.

    Args:
        config: the section ``http``.
        health: what ``/healthz`` and ``/readyz`` tell.
        registry: what ``/metrics`` shows.
        jwks: returns the public signing keys. They are served on a loopback address or a unix socket only: over
            plain HTTP somebody on the way could put a key of his own in.
    """
    application = web.Application(client_max_size=_MAX_BODY_BYTES)

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response(health.snapshot().document(), headers={"Cache-Control": "no-store"})

    async def readyz(_request: web.Request) -> web.Response:
        snapshot = health.snapshot()
        return web.json_response(
            snapshot.document(), status=200 if snapshot.ready else 503, headers={"Cache-Control": "no-store"}
        )

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", metrics)
    if jwks is not None and is_local(config.listen):

        async def keys(_request: web.Request) -> web.Response:
            return web.json_response(
                jwks(),
                content_type="application/jwk-set+json",
                headers={"Cache-Control": "public, max-age=60"},
            )

        application.router.add_get("/.well-known/jwks.json", keys)
    return HttpServer(application, config.listen)
