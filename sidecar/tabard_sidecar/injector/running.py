"""Runs the injector: webhook, health and metrics, until a signal stops it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from prometheus_client import CollectorRegistry

from tabard_sidecar.certificates.serving import CERTIFICATE, Kept, followed_certificate
from tabard_sidecar.health import Health
from tabard_sidecar.http.app import create_http_server
from tabard_sidecar.injector.conf import InjectorSettings, NetworkConfig
from tabard_sidecar.injector.metrics import InjectorMetrics
from tabard_sidecar.injector.webhook import Webhook
from tabard_sidecar.records.applog import configure_logging
from tabard_sidecar.util.descriptors import raise_limit
from tabard_sidecar.util.stopping import until_stopped

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
    health = Health(required=(CERTIFICATE,))
    kept = Kept()
    metrics = InjectorMetrics(CollectorRegistry(), kept)
    http = create_http_server(settings.http, health=health, registry=metrics.registry)
    async with AsyncExitStack() as stack:
        await http.start()
        stack.push_async_callback(http.stop)
        certificate = await stack.enter_async_context(followed_certificate(settings.webhook, health, kept))
        webhook = Webhook(settings, metrics, certificate.tls)
        await webhook.server.start()
        stack.push_async_callback(webhook.server.stop)
        if settings.network is not None:
            _keep_network(settings, settings.network, health, metrics, stack)
        health.started()
        _log.info("injector ready", extra={"webhook": webhook.server.address, "http": http.address})
        yield Injector(webhook, http.address, health)
        health.stopping()
        webhook.drain()
        await asyncio.sleep(settings.webhook.drain_seconds)


def _keep_network(
    settings: InjectorSettings,
    config: NetworkConfig,
    health: Health,
    metrics: InjectorMetrics,
    stack: AsyncExitStack,
) -> None:
    # Only for who uses it.
    from tabard_sidecar.injector.network import InjectedNetwork  # noqa: PLC0415
    from tabard_sidecar.kubernetes.api import ApiServer  # noqa: PLC0415

    api = ApiServer(config.api)
    stack.callback(api.close)
    network = InjectedNetwork(api, config, settings.exempt_namespaces, health.component("network"))
    metrics.network_failing_since.set_function(lambda: network.failing_since)
    stack.callback(asyncio.create_task(network.follow()).cancel)


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
    await until_stopped(injector(settings), stop)
    _log.info("injector stopped")
