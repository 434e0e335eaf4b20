"""Serves health, metrics and public keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from time import monotonic
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from tabard_sidecar.health import Health, Snapshot, Status
from tabard_sidecar.http.conf import HttpConfig
from tabard_sidecar.http.health_server import HealthServer
from tabard_sidecar.http.server import HttpServer, Page
from tabard_sidecar.util.addresses import is_local
from tabard_sidecar.util.descriptors import most_connections

_FRESH = {"Cache-Control": "no-store"}
_KEPT_SECONDS = 1.0
"""How long all peers get the same metrics and keys. Making them takes milliseconds of the loop, and every peer may ask."""


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

    pages = {**_health_pages(health.snapshot, Snapshot.brief), "/metrics": _kept(metrics)}
    if jwks is not None and is_local(config.listen):
        pages["/.well-known/jwks.json"] = _kept(
            lambda: _json(jwks(), "application/jwk-set+json", headers={"Cache-Control": "public, max-age=60"})
        )
    return HttpServer(pages, config.listen, most=most_connections("http"))


def _kept(make: Callable[[], Page]) -> Callable[[], Page]:
    """Return what gives a page, which ``make`` makes at most once a second however many ask."""
    page: Page | None = None
    until = 0.0

    def give() -> Page:
        nonlocal page, until
        now = monotonic()
        if page is None or now >= until:
            page = make()
            until = now + _KEPT_SECONDS
        return page

    return give


def create_health_server(address: str, health: Health) -> HealthServer:
    """Return the server of ``listen.health``, not started yet: health with all details, for the operator's probes."""
    return HealthServer(
        lambda snapshot: _health_pages(snapshot, Snapshot.document),
        address,
        health,
        most=most_connections("health"),
    )


def _health_pages(
    snapshot: Callable[[], Snapshot], document: Callable[[Snapshot], Mapping[str, Any]]
) -> dict[str, Callable[[], Page]]:
    def page(found: Snapshot, *, good: bool) -> Page:
        status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
        return _json(document(found), status=status, headers=_FRESH)

    def healthz() -> Page:
        found = snapshot()
        return page(found, good=found.status is not Status.STUCK)

    def readyz() -> Page:
        found = snapshot()
        return page(found, good=found.ready)

    return {"/healthz": healthz, "/readyz": readyz}


def _json(
    document: Mapping[str, Any],
    content_type: str = "application/json",
    *,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str],
) -> Page:
    return Page(json.dumps(document).encode(), content_type, status, headers)
