"""Runs the injector: webhook, health and metrics, until a signal stops it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from tabard_sidecar.health import Health
from tabard_sidecar.http.app import create_http_server
from tabard_sidecar.http.certificate import Certificate
from tabard_sidecar.injector.conf import InjectorSettings
from tabard_sidecar.injector.metrics import InjectorMetrics
from tabard_sidecar.injector.webhook import Webhook
from tabard_sidecar.records.applog import configure_logging
from tabard_sidecar.util.descriptors import raise_limit

_log = logging.getLogger(__name__)


class Injector:
    """A started injector.

    Args:
        webhook: its listener for the API server.
        http_address: where health and metrics are served.
        health: its health.
    """

    def __init__(self, webhook: Webhook, http_address: str, health: Health) -> None:
        self.webhook = webhook
        self.http_address = http_address
        self.health = health


@asynccontextmanager
async def injector(settings: InjectorSettings) -> AsyncIterator[Injector]:
    """Run an injector for the length of a block; at its end it drains.

    Raises:
        CertificateError: certificate or key can't be used.
        BindError: an address is in use or isn't this machine's.
    """
    health = Health(required=("certificate",))
    certificate = Certificate(settings.webhook, health.component("certificate"))
    metrics = InjectorMetrics(CollectorRegistry(), lambda: certificate.expires)
    webhook = Webhook(settings, metrics, certificate.tls)
    http = create_http_server(settings.http, health=health, registry=metrics.registry)
    await http.start()
    try:
        await webhook.server.start()
        try:
            following = asyncio.create_task(certificate.follow())
            health.started()
            started = Injector(webhook, http.address, health)
            _log.info("injector ready", extra={"webhook": webhook.server.address, "http": http.address})
            try:
                yield started
                health.stopping()
                webhook.drain()
                await asyncio.sleep(settings.webhook.drain_seconds)
            finally:
                following.cancel()
        finally:
            await webhook.server.stop()
    finally:
        await http.stop()


def run(settings: InjectorSettings) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Raises:
        CertificateError: certificate or key can't be used.
        BindError: an address is in use or isn't this machine's.
    """
    configure_logging(settings.log_level, sys.stderr)
    raise_limit()
    asyncio.run(_serve(settings))


async def _serve(settings: InjectorSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with injector(settings):
        await stop.wait()
    _log.info("injector stopped")
