"""The operator surface of the control service: one listener for the zones that are reached."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tabard_sidecar.config import LimitsConfig
from tabard_sidecar.control.operator_callers import OperatorCallers
from tabard_sidecar.control.operator_listener import CONNECTIONS, OperatorListener
from tabard_sidecar.control.operator_router import OperatorRouter
from tabard_sidecar.control.zone_operators import ZoneOperators
from tabard_sidecar.health import About
from tabard_sidecar.identity.build import InsecureIdentity, build_identity
from tabard_sidecar.identity.conf import IdentityConfig
from tabard_sidecar.records.audit import create_sink
from tabard_sidecar.records.decision_log import SinkDecisionLog
from tabard_sidecar.records.tracing import NoTracing
from tabard_sidecar.server.edge import Edge
from tabard_sidecar.server.grpc_server import bind, grpc_server
from tabard_sidecar.util.installed import installed_version
from tabard_sidecar.util.sockets import OwnedSocket

if TYPE_CHECKING:
    from tabard_sidecar.control.conf import ControlSettings
    from tabard_sidecar.control.metrics import ControlMetrics
    from tabard_sidecar.control.operators_conf import OperatorsConfig
    from tabard_sidecar.control.pods import Pods
    from tabard_sidecar.control.reached import ReachedZone
    from tabard_sidecar.health import Component
    from tabard_sidecar.http.aiohttp_server import Tls
    from tabard_sidecar.identity.subject import SubjectTokens
    from tabard_sidecar.records.conf import AuditConfig

_IN_FLIGHT = 64
_MAX_MESSAGE_BYTES = 128 * 1024
"""Longest request: a decision with an approver's token."""
_log = logging.getLogger(__name__)


class _AuditObserver:
    """Reports the records of changes to metrics and health. Sidecars get their keys whether or not they can be written."""

    def __init__(self, metrics: ControlMetrics, component: Component) -> None:
        self._metrics = metrics
        self._component = component
        component.ok()

    def audit_written(self, event: str, size_bytes: int) -> None:
        """Note that a record was written."""
        del event, size_bytes
        self._component.ok()

    def audit_failed(self, message: str) -> None:
        """Note that a record couldn't be written."""
        self._metrics.audit_failures.inc()
        self._component.degraded(message)

    def audit_removed(self, files: Sequence[str]) -> None:
        """Log that closed files were removed."""
        _log.info("decision log files removed", extra={"files": list(files)})

    def mask_failed(self, message: str) -> None:
        """Do nothing: there is no policy, and so no mask."""


@asynccontextmanager
async def operator_surface(  # noqa: PLR0913, PLR0917 - one argument per dependency
    settings: ControlSettings,
    config: OperatorsConfig,
    reached: Sequence[ReachedZone],
    pods: Pods,
    metrics: ControlMetrics,
    audit: Component,
    tls: Tls,
    file: Path | None,
) -> AsyncIterator[OperatorListener]:
    """Serve operators for the length of a block.

    Args:
        settings: all settings.
        config: the section ``operators``.
        reached: the zones.
        pods: finds out whose the tokens of ServiceAccounts are.
        metrics: counts calls.
        audit: health of the records of changes.
        tls: certificate and key for the next connection, for HTTP/2.
        file: the configuration file, which answers name.

    Raises:
        KeysUnavailable: a file with an issuer's keys can't be used.
        SinkError: the decision log can't be opened.
        BindError: the address is in use or isn't this machine's.
        ValueError: the configuration can't be meant.
    """
    async with AsyncExitStack() as stack:
        log = _log_of_changes(settings.audit, config, _AuditObserver(metrics, audit))
        log.open()
        stack.push_async_callback(log.stop)
        await log.start()
        people = await _people(config, stack)
        edge = Edge(metrics, NoTracing(), max_in_flight=_IN_FLIGHT, request_seconds=config.request_seconds)
        about = About("", str(file or ""), os.getpid())
        zones = {
            zone.name: ZoneOperators(zone, people, edge, log, about, clock=time.time) for zone in reached
        }
        inner = _inner_socket(stack)
        listener = OperatorListener(config.listen, inner.path, tls)
        callers = OperatorCallers(people, config.issuers, pods)
        router = OperatorRouter(callers, zones, metrics, listener.keep, seconds=config.request_seconds)
        limits = LimitsConfig(max_in_flight=_IN_FLIGHT, max_message_bytes=_MAX_MESSAGE_BYTES)
        server = grpc_server(limits, "operator", connections=CONNECTIONS)
        server.add_generic_rpc_handlers((router,))
        await bind(server, inner, stack)
        await listener.start()
        stack.push_async_callback(listener.stop)
        yield listener
        await server.stop(settings.server.drain_seconds)


def _log_of_changes(audit: AuditConfig, config: OperatorsConfig, observer: _AuditObserver) -> SinkDecisionLog:
    labels = {
        "id": str(uuid.uuid4()),
        "version": installed_version("tabard-sidecar"),
        "service": "control",
        "pid": str(os.getpid()),
    }
    return SinkDecisionLog(
        create_sink(audit),
        labels={**labels, **audit.labels},
        required=True,
        observer=observer,
        issuers={issuer.issuer for issuer in config.issuers},
    )


async def _people(config: OperatorsConfig, stack: AsyncExitStack) -> SubjectTokens:
    """Return what verifies people's tokens, started."""
    identity = build_identity(
        IdentityConfig(issuers=config.issuers, clock_skew_seconds=config.clock_skew_seconds),
        zone="",
        insecure=InsecureIdentity(),
        clock=time.time,
    )
    stack.push_async_callback(identity.subjects.close)
    await identity.subjects.start()
    return identity.subjects


def _inner_socket(stack: AsyncExitStack) -> OwnedSocket:
    """Return the socket of the gRPC server, in a folder that only this user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="tabard-operators-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    inner = OwnedSocket(folder / "s")
    inner.acquire()
    stack.callback(inner.release)
    return inner
