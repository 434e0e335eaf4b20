"""Starts the sidecar, serves, reloads and drains."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tabard_sidecar import exit_codes
from tabard_sidecar.config import Settings, insecure_switches
from tabard_sidecar.health import About
from tabard_sidecar.interfaces import Clock
from tabard_sidecar.reasons import reason_texts
from tabard_sidecar.records.applog import configure_logging
from tabard_sidecar.server.early_parts import EarlyParts
from tabard_sidecar.server.reloading import Reloading, Reread
from tabard_sidecar.server.startup import StartupError, startup_error
from tabard_sidecar.util.addresses import socket_path
from tabard_sidecar.util.descriptors import raise_limit
from tabard_sidecar.util.garbage import few_heaps, settle, uncollected
from tabard_sidecar.util.sockets import SOCKET_MODE, OwnedSocket

if TYPE_CHECKING:
    import grpc

    from tabard_sidecar.server.parts import Parts
_log = logging.getLogger(__name__)


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
            early = EarlyParts(settings, clock, about)
            loading = asyncio.create_task(early.policy.start())
            stack.push_async_callback(early.policy.close)
            stack.push_async_callback(_given_up, loading)
            # Loading takes the longest, most of it outside of Python.
            await asyncio.to_thread(_import_the_others)
            from tabard_sidecar.server.building import build, upkeep  # noqa: PLC0415
            from tabard_sidecar.server.listening import listen  # noqa: PLC0415

            parts = await build(early, loading, stack)
            servers, http_address = await listen(parts, sockets, stack)
            # Nothing waits between ready and running, so that a signal to a ready sidecar has it reload or drain.
            await asyncio.gather(asyncio.to_thread(reason_texts), asyncio.to_thread(parts.engine.trim))
        except StartupError:
            raise
        except Exception as error:
            told = startup_error(error)
            if told is None:
                raise
            raise told from error
        running = Running(parts, servers, http_address, reread)
        for work in await upkeep(parts):
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
        yield running


def _own(address: str, stack: AsyncExitStack, mode: int = SOCKET_MODE) -> OwnedSocket:
    path = socket_path(address)
    if path is None:
        raise StartupError(exit_codes.CONFIG, f"{address} is not a unix socket")
    owned = OwnedSocket(path, mode)
    owned.acquire()
    stack.callback(owned.release)
    return owned


def _import_the_others() -> None:
    """Import the modules of everything that the load of a policy doesn't need."""
    with uncollected():
        import tabard_sidecar.server.building  # noqa: PLC0415
        import tabard_sidecar.server.listening  # noqa: F401, PLC0415


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
