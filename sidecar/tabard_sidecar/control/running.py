"""Runs the control service: listener, health and metrics, until a signal stops it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from prometheus_client import CollectorRegistry

from tabard_sidecar.control.conf import ControlSettings
from tabard_sidecar.control.metrics import ControlMetrics
from tabard_sidecar.control.pods import Pods
from tabard_sidecar.control.reached import ReachedZone
from tabard_sidecar.control.reviews import TokenReviews
from tabard_sidecar.control.serving import ControlServer
from tabard_sidecar.control.zones import DerivedKeys, Zones
from tabard_sidecar.health import Health
from tabard_sidecar.http.app import create_http_server
from tabard_sidecar.http.certificate import Certificate
from tabard_sidecar.http.clients import Clients
from tabard_sidecar.records.applog import configure_logging
from tabard_sidecar.util.descriptors import raise_limit
from tabard_sidecar.util.joined_problems import JoinedProblems

_log = logging.getLogger(__name__)


class ControlService:
    """A started control service.

    Attributes:
        address: where sidecars ask.
        http_address: where health and metrics are served.
        health: its health.
        zones: the zones' keys.
    """

    def __init__(self, server: ControlServer, http_address: str, health: Health, zones: Zones) -> None:
        self._server = server
        self.address = server.server.address
        self.http_address = http_address
        self.health = health
        self.zones = zones

    async def drain(self, seconds: float) -> None:
        """Go on answering for some seconds, while it isn't ready any more."""
        self.health.stopping()
        self._server.drain()
        await asyncio.sleep(seconds)


@asynccontextmanager
async def control_service(settings: ControlSettings) -> AsyncIterator[ControlService]:
    """Run a control service for the length of a block; at its end it drains.

    Raises:
        CertificateError: certificate or key can't be used.
        KeyringError: the master keys can't be used.
        ClientKeyError: the key file of a backend can't be used.
        ValueError: ``cluster.ca_file`` can't be used.
        BindError: an address is in use or isn't this machine's.
    """
    health = Health(required=("certificate", "master", "reviews"))
    certificate = Certificate(settings.server, health.component("certificate"))
    zones = Zones(settings.master.directory, health.component("master"))
    reviews = TokenReviews(settings.cluster, health.component("reviews"))
    metrics = ControlMetrics(CollectorRegistry(), lambda: certificate.expires, lambda: zones.newest)
    server = ControlServer(
        settings.server.listen, zones, Pods(reviews, settings.cluster.audience), metrics, tls=certificate.tls
    )
    http = create_http_server(settings.http, health=health, registry=metrics.registry)
    reached = _reached(settings, zones, health)
    for zone in reached:
        clients = zone.config.introspection.clients
        if clients:
            server.introspect(zone.name, Clients(clients), zone.active)
    async with AsyncExitStack() as stack:
        stack.callback(reviews.close)
        await http.start()
        stack.push_async_callback(http.stop)
        await server.server.start()
        stack.push_async_callback(server.server.stop)
        await reviews.look()
        following = (zone.run() for zone in reached)
        for work in (certificate.follow(), zones.follow(), reviews.follow(), *following):
            stack.push_async_callback(_cancelled, asyncio.create_task(work))
        health.started()
        started = ControlService(server, http.address, health, zones)
        _log.info(
            "control service started",
            extra={"address": started.address, "http": http.address, "generation": zones.newest},
        )
        yield started
        await started.drain(settings.server.drain_seconds)


def _reached(settings: ControlSettings, zones: Zones, health: Health) -> list[ReachedZone]:
    """Build what reaches the state stores of zones; health tells which of them can't be used."""
    if not settings.zones:
        return []
    component = health.component("zones")

    def report(problem: str) -> None:
        if problem:
            component.degraded(problem)
        else:
            component.ok()

    problems = JoinedProblems(report)

    def tell(name: str, problem: str) -> None:
        problems.tell(name, f"zone {name}: {problem}" if problem else "")

    return [
        ReachedZone(name, config, DerivedKeys(zones, name), partial(tell, name))
        for name, config in settings.zones.items()
    ]


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def run(settings: ControlSettings) -> None:
    """Serve until SIGTERM or SIGINT, then drain; raises as :func:`control_service`."""
    configure_logging(settings.log_level, sys.stderr)
    raise_limit()
    asyncio.run(_serve(settings))


async def _serve(settings: ControlSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with control_service(settings):
        await stop.wait()
    _log.info("control service stopped")
