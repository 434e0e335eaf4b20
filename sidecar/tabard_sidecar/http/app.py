"""Serves health, metrics and public keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from tabard_sidecar.health import Health, Snapshot
from tabard_sidecar.http.conf import HttpConfig
from tabard_sidecar.http.server import HttpServer, Page
from tabard_sidecar.util.addresses import is_local
from tabard_sidecar.util.descriptors import most_connections

_FRESH = {"Cache-Control": "no-store"}


def create_http_server(
    config: HttpConfig,
    *,
    health: Health,
    registry: CollectorRegistry,
    jwks: Callable[[], Mapping[str, Any]] | None = None,
) -> HttpServer:
    """Return the server of ``http.listen``, not started yet.

    Its health pages say the status only: what is wrong names files, issuers and policies of the operator's.

    Args:
        config: the section ``http``.
        health: status for ``/healthz`` and ``/readyz``.
        registry: metrics for ``/metrics``.
        jwks: returns the public signing keys. They are served on a loopback address or a unix socket only: over plain
            HTTP an attacker on the network could replace a key.
    """

    def metrics() -> Page:
        return Page(generate_latest(registry), CONTENT_TYPE_LATEST)

    pages = {**_health_pages(health, Snapshot.brief), "/metrics": metrics}
    if jwks is not None and is_local(config.listen):
        pages["/.well-known/jwks.json"] = lambda: _json(
            jwks(), "application/jwk-set+json", headers={"Cache-Control": "public, max-age=60"}
        )
    return HttpServer(pages, config.listen, most=most_connections("http"))


def create_health_server(address: str, health: Health) -> HttpServer:
    """Return the server of ``listen.health``, not started yet: health with all details, for the operator's probes."""
    return HttpServer(_health_pages(health, Snapshot.document), address, most=most_connections("health"))


def _health_pages(
    health: Health, document: Callable[[Snapshot], Mapping[str, Any]]
) -> dict[str, Callable[[], Page]]:
    def healthz() -> Page:
        return _json(document(health.snapshot()), headers=_FRESH)

    def readyz() -> Page:
        snapshot = health.snapshot()
        status = HTTPStatus.OK if snapshot.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _json(document(snapshot), status=status, headers=_FRESH)

    return {"/healthz": healthz, "/readyz": readyz}


def _json(
    document: Mapping[str, Any],
    content_type: str = "application/json",
    *,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str],
) -> Page:
    return Page(json.dumps(document).encode(), content_type, status, headers)
