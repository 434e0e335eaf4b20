"""Starts the sidecar, serves, reloads and drains."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
from tabard.authz.v1 import (
    authorization_service_pb2_grpc,
    credential_service_pb2_grpc,
    task_service_pb2_grpc,
)
from tabard.files import RefusedFileError

from tabard_sidecar import exit_codes
from tabard_sidecar.config import Settings, insecure_switches
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.health import About
from tabard_sidecar.http.app import create_health_server, create_http_server
from tabard_sidecar.http.clients import ClientKeyError
from tabard_sidecar.http.introspection import create_introspection_server
from tabard_sidecar.http.server import HttpServer
from tabard_sidecar.identity import KeysUnavailable
from tabard_sidecar.interfaces import Clock
from tabard_sidecar.keys import KeyringError, jwks
from tabard_sidecar.pipeline.authorize import Authorizer
from tabard_sidecar.pipeline.credentials import Credentials
from tabard_sidecar.pipeline.filter_tools import ToolFilter
from tabard_sidecar.pipeline.outcomes import Outcomes
from tabard_sidecar.pipeline.tasks import TaskRules, Tasks
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.reasons import reason_texts
from tabard_sidecar.records.applog import configure_logging
from tabard_sidecar.records.sinks import SinkError
from tabard_sidecar.server.crossing import crossing
from tabard_sidecar.server.edge import Edge
from tabard_sidecar.server.grpc_server import LARGE_IN_FLIGHT, bind, grpc_server
from tabard_sidecar.server.housekeeping import housekeeping
from tabard_sidecar.server.lease_sweeps import sweep_leases
from tabard_sidecar.server.operator_gate import OperatorGate
from tabard_sidecar.server.operator_services import add_operator_services
from tabard_sidecar.server.parts import Parts
from tabard_sidecar.server.readiness import Readiness
from tabard_sidecar.server.registration import Intake, lenient
from tabard_sidecar.server.reloading import Reloading, Reread
from tabard_sidecar.server.revisions import ShownRevisions
from tabard_sidecar.server.services import AuthorizationServicer, CredentialServicer, TaskServicer
from tabard_sidecar.server.zone_gate import ZoneGate
from tabard_sidecar.state.sqlite import StateFileError
from tabard_sidecar.util.addresses import socket_path
from tabard_sidecar.util.descriptors import raise_limit
from tabard_sidecar.util.files import explain
from tabard_sidecar.util.garbage import few_heaps, settle
from tabard_sidecar.util.sockets import SOCKET_MODE, BindError, OwnedSocket

_ENDING_SECONDS = 5.0
"""How long a stop waits, after the drain, until credentials of revoked tasks are ended in other systems."""

_log = logging.getLogger(__name__)


class StartupError(Exception):
    """The sidecar can't start. ``exit_code`` is the process's exit code; the message says what to do."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run(settings: Settings, config: Path | None = None, reread: Reread | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then drain; arguments as for :func:`sidecar`.

    Raises:
        StartupError: something keeps the sidecar from starting.
    """
    configure_logging(settings.telemetry.log_level, sys.stderr)
    raise_limit()
    few_heaps()
    # Large requests are read in a thread. The event loop gets the processor back from it after a millisecond.
    sys.setswitchinterval(0.001)
    asyncio.run(_serve(sidecar(settings, config=config, reread=reread)))


class _Stop(asyncio.Event):
    """Set when the process has to end. ``serving`` tells whether the start is over."""

    serving = False


async def _serve(started: AbstractAsyncContextManager[Running]) -> None:
    stop = _Stop()
    reload = asyncio.Event()
    loop = asyncio.get_running_loop()
    serving = asyncio.create_task(_serve_until(stop, reload, started))
    for number in (signal.SIGTERM, signal.SIGINT):
        # Until it serves there is nothing to drain, and whatever the start waits for is given up.
        loop.add_signal_handler(number, _stop, stop, serving)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    try:
        await serving
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        _log.info("stopped while starting")


def _stop(stop: _Stop, serving: asyncio.Task[None]) -> None:
    stop.set()
    if not stop.serving:
        serving.cancel()


async def _serve_until(
    stop: _Stop, reload: asyncio.Event, started: AbstractAsyncContextManager[Running]
) -> None:
    async with started as running:
        stop.serving = True
        reloader = asyncio.create_task(_reload_whenever(reload, running))
        try:
            await stop.wait()
            await running.drain()
        finally:
            reloader.cancel()


async def _reload_whenever(asked: asyncio.Event, running: Running) -> None:
    while True:
        await asked.wait()
        asked.clear()
        await running.reload()


class Running:
    """A sidecar that serves.

    Attributes:
        agent_address: address for agents.
        http_address: address of health, metrics and public keys.
        health: the sidecar's health.
    """

    def __init__(
        self, parts: Parts, servers: list[grpc.aio.Server], http_address: str, reread: Reread | None
    ) -> None:
        self._parts = parts
        self._servers = servers
        self._reloading = Reloading(parts, reread)
        self.agent_address = parts.settings.listen.agent
        self.http_address = http_address
        self.health = parts.health

    async def reload(self) -> None:
        """Do what SIGHUP does."""
        await self._reloading.reload()

    async def drain(self) -> None:
        """Refuse new requests and let those in flight finish."""
        seconds = self._parts.settings.limits.drain_seconds
        self.health.stopping()
        _log.info("draining", extra={"seconds": seconds})
        await asyncio.gather(*(server.stop(seconds) for server in self._servers))


@asynccontextmanager
async def sidecar(
    settings: Settings,
    *,
    clock: Clock = time.time,
    config: Path | None = None,
    reread: Reread | None = None,
) -> AsyncIterator[Running]:
    """Start a sidecar in this event loop and stop it at the end.

    Args:
        settings: what it is to do.
        clock: time in seconds since the epoch.
        config: the file that the settings come from, to tell operators which sidecar they reached.
        reread: reads the settings again, to tell on a reload what needs a restart.

    Raises:
        StartupError: something keeps the sidecar from starting.
    """
    about = About(settings.zone, str(config or ""), os.getpid())
    for switch in insecure_switches(settings.insecure):
        _log.warning("insecure switch is on", extra={"switch": switch})
    async with AsyncExitStack() as stack:
        try:
            # First, so that a second sidecar fails before it changes anything.
            mode = int(settings.listen.agent_mode, 8)
            sockets = [_own(settings.listen.agent, stack, mode), _own(settings.listen.operator, stack)]
            parts = await _build(Parts(settings, clock, about), stack)
            servers, http_address = await _listen(parts, sockets, stack)
        except StartupError:
            raise
        except (KeyringError, ClientKeyError, StateFileError, ValueError) as error:
            raise StartupError(exit_codes.CONFIG, str(error)) from error
        except PolicyBrokenError as error:
            unreachable = {problem.code for problem in error.problems} == {"unreachable"}
            code = exit_codes.UNREACHABLE if unreachable else exit_codes.POLICY
            raise StartupError(code, f"the policy can't be used:\n{error}") from error
        except BindError as error:
            raise StartupError(exit_codes.CANNOT_BIND, str(error)) from error
        except (KeysUnavailable, SinkError) as error:
            raise StartupError(exit_codes.UNREACHABLE, str(error)) from error
        except NoDecision as error:
            raise StartupError(exit_codes.UNREACHABLE, error.message) from error
        except (RefusedFileError, ssl.SSLError) as error:
            raise StartupError(exit_codes.CONFIG, explain(error)) from error
        running = Running(parts, servers, http_address, reread)
        readiness = Readiness(parts)
        await readiness.look()
        following = [] if parts.control is None else [parts.control.follow()]
        for work in (housekeeping(parts), sweep_leases(parts), readiness.follow(), *following):
            stack.push_async_callback(_cancelled, asyncio.create_task(work))
        settle()
        parts.health.started()
        _log.info(
            "serving",
            extra={
                "zone": about.zone,
                "config": about.config,
                "pid": about.pid,
                "agent": running.agent_address,
                "http": running.http_address,
                "policy": parts.policy.revision,
            },
        )
        # The texts of denials are read from a file once; neither readiness nor the first denial waits for that.
        await asyncio.to_thread(reason_texts)
        await asyncio.to_thread(parts.engine.trim)
        yield running


async def _build(parts: Parts, stack: AsyncExitStack) -> Parts:
    stack.callback(parts.tracing.close)
    parts.log.open()
    stack.push_async_callback(parts.log.stop)
    stack.push_async_callback(parts.arguments.close)
    parts.health.component("audit").ok()
    # First, because it takes the longest, most of it in other threads.
    stack.push_async_callback(parts.policy.close)
    loading = asyncio.create_task(parts.policy.start())
    stack.push_async_callback(_given_up, loading)
    await parts.log.start()
    await parts.state.open()
    stack.push_async_callback(parts.state.close)
    stack.push_async_callback(parts.revoking.stop)
    await parts.revoking.start()
    stack.push_async_callback(parts.approving.close)
    await parts.approving.start()
    stack.push_async_callback(parts.identity.close)
    if parts.shadowing is not None:
        stack.push_async_callback(parts.shadowing.shadow.stop)
        parts.shadowing.shadow.start()
    if parts.exchanges is not None:
        stack.push_async_callback(parts.exchanges.close)
    if parts.vaults is not None:
        stack.push_async_callback(parts.vaults.close)
        parts.vaults.start()
    # What was acknowledged as ended is ended before the connections for that are closed.
    stack.push_async_callback(parts.revoking.finish, _ENDING_SECONDS)
    stack.push_async_callback(parts.stages.decisions.settled)
    await asyncio.gather(parts.identity.start(), loading, _first_keys(parts))
    return parts


async def _first_keys(parts: Parts) -> None:
    """Ask the control service once, if there is one; health says why a sidecar without keys isn't ready."""
    if parts.control is not None:
        await parts.control.fetch()


async def _listen(
    parts: Parts, sockets: list[OwnedSocket], stack: AsyncExitStack
) -> tuple[list[grpc.aio.Server], str]:
    """Open every socket; return the gRPC servers and the address of HTTP."""
    agent = grpc_server(parts.settings.limits, "agent")
    operator = grpc_server(parts.settings.limits, "operator", [ZoneGate(parts.health.about)])
    edge = Edge(
        parts.metrics,
        parts.tracing,
        max_in_flight=parts.settings.limits.max_in_flight,
        request_seconds=parts.settings.limits.request_seconds,
    )
    credentials = Credentials(parts.stages)
    intake = Intake(LARGE_IN_FLIGHT * parts.settings.limits.max_message_bytes)
    _add_agent_services(parts, credentials, edge, lenient(agent, intake))
    gate = OperatorGate(sockets[1])
    add_operator_services(parts, edge, gate, lenient(operator, intake))
    http = await _start_http(parts, credentials, stack)
    await bind(agent, sockets[0], stack)
    gate.inner.acquire()
    stack.callback(gate.inner.release)
    await bind(operator, gate.inner, stack)
    await gate.start()
    stack.push_async_callback(gate.stop)
    return [agent, operator], http.address


def _add_agent_services(parts: Parts, credentials: Credentials, edge: Edge, server: grpc.aio.Server) -> None:
    settings, stages, shown = parts.settings, parts.stages, ShownRevisions(parts.keyring)
    rules = TaskRules(
        tasks_per_token=settings.insecure.tasks_per_token or settings.identity.tasks_per_token,
        max_ttl_seconds=settings.limits.max_task_seconds,
        label_carry_seconds=settings.limits.label_carry_seconds,
    )
    task_service_pb2_grpc.add_TaskServiceServicer_to_server(
        TaskServicer(
            Tasks(
                stages,
                parts.identity.subjects,
                parts.identity.intents,
                rules,
                parts.kept_tokens,
                crossing(parts),
            ),
            edge,
            shown,
            settings.zone,
        ),
        server,
    )
    authorization_service_pb2_grpc.add_AuthorizationServiceServicer_to_server(
        AuthorizationServicer(
            Authorizer(stages),
            ToolFilter(stages),
            Outcomes(stages, parts.keyring, parts.clock),
            parts.approving.status_service,
            edge,
            shown,
        ),
        server,
    )
    credential_service_pb2_grpc.add_CredentialServiceServicer_to_server(
        CredentialServicer(credentials, edge, shown), server
    )


async def _start_http(parts: Parts, credentials: Credentials, stack: AsyncExitStack) -> HttpServer:
    """Start the HTTP servers: the public one, that of probes, and that of introspection if it is configured."""
    http = create_http_server(
        parts.settings.http,
        health=parts.health,
        registry=parts.metrics.registry,
        jwks=lambda: jwks(parts.keyring),
    )
    await http.start()
    stack.push_async_callback(http.stop)
    health = create_health_server(parts.settings.listen.health_address, parts.health)
    await health.start()
    stack.push_async_callback(health.stop)
    introspection = create_introspection_server(
        parts.settings.introspection, introspect=credentials.active, metrics=parts.metrics
    )
    if introspection is not None:
        await introspection.start()
        stack.push_async_callback(introspection.stop)
    return http


def _own(address: str, stack: AsyncExitStack, mode: int = SOCKET_MODE) -> OwnedSocket:
    path = socket_path(address)
    if path is None:
        raise StartupError(exit_codes.CONFIG, f"{address} is not a unix socket")
    owned = OwnedSocket(path, mode)
    owned.acquire()
    stack.callback(owned.release)
    return owned


async def _given_up(task: asyncio.Task[None]) -> None:
    """End a task whose failure was told, or came after another one."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
