"""Checks arguments against the catalogue, so that no schema and no arguments keep the event loop from others.

Most calls are checked at once. If a schema could make more work of the arguments, calls take turns, one for each turn of the
loop; if it could make much more, a process of its own checks them, with a deadline, since a running check can't be stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import ArgumentFault, ToolSpec
from tabard_sidecar.model import ToolCall
from tabard_sidecar.policy.check_worker import frame

_AT_ONCE_STEPS = 100_000
"""Steps of a check that is made at once: a millisecond at worst."""
_IN_TURN_STEPS = 1_000_000
"""Steps of a check that is made in turn: some ten milliseconds at worst."""
_SECONDS = 3.0
_PROCESSES = 2
_MOST_WAITING = 32
_IDLE_SECONDS = 60.0
_TOO_MUCH = "the arguments can't be checked in time: their schema makes too much work of them"
_COMMAND = ("-I", "-m", "tabard_sidecar.policy.check_worker")
_log = logging.getLogger(__name__)


class ArgumentChecks:
    """Checks arguments of calls. Close it at the end."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._places = asyncio.Semaphore(_PROCESSES)
        self._waiting = 0
        self._idle: list[_Process] = []

    async def fault(self, spec: ToolSpec, call: ToolCall) -> ArgumentFault | None:
        """Return what is wrong with a call's arguments, ``None`` if they fit.

        Raises:
            NoDecision: too many checks wait, or no process can be started.
        """
        steps = spec.steps(call)
        if steps <= _AT_ONCE_STEPS:
            return spec.validate(call.arguments)
        if steps <= _IN_TURN_STEPS:
            async with self._turn:
                await asyncio.sleep(0)
                return spec.validate(call.arguments)
        return await self._elsewhere(spec, call)

    async def close(self) -> None:
        """End the processes."""
        await asyncio.gather(*(process.end() for process in self._idle))

    async def _elsewhere(self, spec: ToolSpec, call: ToolCall) -> ArgumentFault | None:
        if self._waiting >= _MOST_WAITING:
            raise NoDecision(
                "RESOURCE_EXHAUSTED", "overloaded", f"{_MOST_WAITING} calls wait for a costly check already"
            )
        self._waiting += 1
        try:
            async with self._places:
                return await self._asked(spec, call)
        finally:
            self._waiting -= 1

    async def _asked(self, spec: ToolSpec, call: ToolCall) -> ArgumentFault | None:
        try:
            process = self._idle.pop() if self._idle else await _Process.start()
        except OSError as error:
            _log.error("no process checks arguments", extra={"problem": str(error)})
            raise NoDecision(
                "RESOURCE_EXHAUSTED", "overloaded", "no process can be started to check it"
            ) from error
        answered = False
        try:
            async with asyncio.timeout(_SECONDS):
                fault = await process.ask(spec.schema_json, call.arguments_json)
            answered = True
        except (TimeoutError, EOFError, OSError):
            return ArgumentFault(_TOO_MUCH, "")
        finally:
            if answered:
                self._idle.append(process)
                process.end_after(_IDLE_SECONDS, self._idle)
            else:
                await process.end()
        return None if fault is None else spec.told(fault, call.arguments)


class _Process:
    """One process that checks."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def start(cls) -> _Process:
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                *_COMMAND,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        )

    async def ask(self, schema: bytes, instance: bytes) -> tuple[str, str] | None:
        """Return the fault of an instance.

        Raises:
            EOFError: the process has ended.
            OSError: the same.
        """
        if self._timer is not None:
            self._timer.cancel()
        reader, writer = self._process.stdout, self._process.stdin
        if reader is None or writer is None:
            raise EOFError
        for content in (schema, instance):
            writer.write(frame(content))
        await writer.drain()
        size = int.from_bytes(await reader.readexactly(4))
        fault = json.loads(await reader.readexactly(size))
        return None if fault is None else (fault[0], fault[1])

    def end_after(self, seconds: float, idle: list[_Process]) -> None:
        """End the process if it isn't asked for so long."""

        def end() -> None:
            if self in idle:
                idle.remove(self)
                self._kill()

        self._timer = asyncio.get_running_loop().call_later(seconds, end)

    async def end(self) -> None:
        """End the process now."""
        if self._timer is not None:
            self._timer.cancel()
        self._kill()
        await self._process.wait()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
