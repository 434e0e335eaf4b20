"""Runs the control service: listener, health and metrics, until a signal stops it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from tabard_sidecar.certificates.serving import CERTIFICATE, Kept, followed_certificate
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
from tabard_sidecar.util.stopping import until_stopped

_OPERATORS_REVIEWS = 4
_log = logging.getLogger(__name__)


class ControlService:
    """A started control service.

    Attributes:
        address: where sidecars ask.
        operators: where operators call; empty if there is no such surface.
        http_address: where health and metrics are served.
        health: its health.
        zones: the zones' keys.
    """

    def __init__(
        self, server: ControlServer, operators: str, http_address: str, health: Health, zones: Zones
    ) -> None:
        self._server = server
        self.address = server.server.address
        self.operators = operators
        self.http_address = http_address
        self.health = health
        self.zones = zones

    async def drain(self, seconds: float) -> None:
        """Go on answering for some seconds, while it isn't ready any more."""
        self.health.stopping()
        self._server.drain()
        await asyncio.sleep(seconds)


@asynccontextmanager
async def control_service(
    settings: ControlSettings, config: Path | None = None
) -> AsyncIterator[ControlService]:
    """Run a control service for the length of a block; at its end it drains.

    Args:
        settings: what it is to do.
        config: the file that the settings come from, which it tells operators.

    Raises:
        CertificateError: certificate or key can't be used.
        KeyringError: the master keys can't be used.
        ClientKeyError: the key file of a backend can't be used.
        ValueError: ``cluster.ca_file`` can't be used.
        KeysUnavailable: a file with the keys of an operators' issuer can't be used.
        SinkError: the decision log can't be opened.
        BindError: an address is in use or isn't this machine's.
    """
    health = Health(required=(CERTIFICATE, "master", "reviews"))
    kept = Kept()
    zones = Zones(settings.master.directory, health.component("master"))
    reviews = TokenReviews(settings.cluster, health.component("reviews"))
    metrics = ControlMetrics(CollectorRegistry(), kept, lambda: zones.newest)
    http = create_http_server(settings.http, health=health, registry=metrics.registry)
    reached = _reached(settings, zones, health)
    backends = {
        zone: Clients(zone.config.introspection.clients)
        for zone in reached
        if zone.config.introspection.clients
    }
    async with AsyncExitStack() as stack:
        stack.callback(reviews.close)
        await http.start()
        stack.push_async_callback(http.stop)
        certificate = await stack.enter_async_context(followed_certificate(settings.server, health, kept))
        pods = Pods(reviews, settings.cluster.audience)
        server = ControlServer(settings.server.listen, zones, pods, metrics, tls=certificate.tls)
        for zone, clients in backends.items():
            server.introspect(zone.name, clients, zone.active)
        await server.server.start()
        stack.push_async_callback(server.server.stop)
        await reviews.look()
        operators = await _operators(settings, reached, metrics, health, certificate, config, stack)
        following = (zone.run() for zone in reached)
        for work in (zones.follow(), reviews.follow(), *following):
            stack.push_async_callback(_cancelled, asyncio.create_task(work))
        health.started()
        started = ControlService(server, operators, http.address, health, zones)
        _log.info(
            "control service started",
            extra={
                "address": started.address,
                "operators": operators,
                "http": http.address,
                "generation": zones.newest,
            },
        )
        yield started
        await started.drain(settings.server.drain_seconds)


async def _operators(  # noqa: PLR0913, PLR0917 - one argument per dependency
    settings: ControlSettings,
    reached: Sequence[ReachedZone],
    metrics: ControlMetrics,
    health: Health,
    certificate: Certificate,
    file: Path | None,
    stack: AsyncExitStack,
) -> str:
    """Start the operator surface, if it is configured; return its address."""
    config = settings.operators
    if config is None:
        return ""
    # gRPC and what decides approvals: only for who uses it.
    from tabard_sidecar.control.operator_surface import operator_surface  # noqa: PLC0415

    # Questions of their own, so that operators take no sidecar's turn.
    cluster = settings.cluster.model_copy(
        update={"audience": config.audience, "max_connections": _OPERATORS_REVIEWS}
    )
    reviews = TokenReviews(cluster, health.component("reviews"))
    stack.callback(reviews.close)
    pods = Pods(reviews, config.audience)
    listener = await stack.enter_async_context(
        operator_surface(
            settings, config, reached, pods, metrics, health.component("audit"), certificate.http2, file
        )
    )
    return listener.address


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


def run(settings: ControlSettings, config: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then drain; raises as :func:`control_service`."""
    configure_logging(settings.log_level, sys.stderr)
    raise_limit()
    asyncio.run(_serve(settings, config))


async def _serve(settings: ControlSettings, config: Path | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await until_stopped(control_service(settings, config), stop)
    _log.info("control service stopped")
