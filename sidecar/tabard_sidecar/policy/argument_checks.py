"""Checks arguments against the catalogue, so that no schema and no arguments keep the event loop from others.

Most calls are checked at once. If a schema could make more work of the arguments, calls take turns, one for each turn of the
loop; if it could make much more, a process of its own checks them, with a deadline, since a running check can't be stopped and
holds Python's lock. What is wrong with arguments is found in the same way, by an estimate of its own. An estimate may be wrong
all the same: arguments of many values are checked elsewhere in any case, and so is a schema whose check once took too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import ArgumentFault, ToolSpec
from tabard_sidecar.model import ToolCall
from tabard_sidecar.policy.check_worker import frame

_AT_ONCE_STEPS = 100_000
"""Steps of a check that is made at once: a millisecond at worst."""
_IN_TURN_STEPS = 1_000_000
"""Steps of a check that is made in turn: some ten milliseconds at worst."""
_SHORT_BYTES = 512
"""Arguments of a check that isn't worth timing."""
_SURPRISE_NS = 30_000_000
"""Processor time of a check in this process after which its schema is used elsewhere only."""
_MOST_SURPRISES = 1000
_SECONDS = 3.0
_START_SECONDS = 5.0
"""For the start of a process, which takes a fifth of a second, also on a busy machine."""
_PROCESSES = 2
_MOST_WAITING = 32
_IDLE_SECONDS = 60.0
_UNEXPLAINED = "the arguments don't fit their schema, and it takes too long to say where"
_TOO_MUCH = "the arguments can't be checked in time: their schema makes too much work of them"
_COMMAND = ("-I", "-m", "tabard_sidecar.policy.check_worker")
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class ArgumentChecks:
    """Checks arguments of calls. Close it at the end."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._places = asyncio.Semaphore(_PROCESSES)
        self._waiting = 0
        self._idle: list[_Process] = []
        self._surprising: set[bytes] = set()

    async def fault(self, spec: ToolSpec, call: ToolCall) -> ArgumentFault | None:
        """Return what is wrong with a call's arguments, ``None`` if they fit.

        Raises:
            NoDecision: too many checks wait, or no process can be started.
        """
        steps = spec.steps(call)
        if steps <= _AT_ONCE_STEPS and len(call.arguments_json) <= _SHORT_BYTES:
            fits = spec.fits(call.arguments)
        elif steps <= _IN_TURN_STEPS and spec.schema_json not in self._surprising:
            fits = await self._here(steps, spec, lambda: spec.fits(call.arguments))
        else:
            return await self._elsewhere(spec, call, _TOO_MUCH)
        return None if fits else await self._explained(spec, call)

    async def close(self) -> None:
        """End the processes."""
        await asyncio.gather(*(process.end() for process in self._idle))

    async def _explained(self, spec: ToolSpec, call: ToolCall) -> ArgumentFault:
        steps = spec.explaining_steps(call)
        if steps <= _IN_TURN_STEPS and spec.schema_json not in self._surprising:
            return await self._here(steps, spec, lambda: spec.explain(call.arguments))
        try:
            fault = await self._elsewhere(spec, call, _UNEXPLAINED)
        except NoDecision:
            fault = None
        return fault or ArgumentFault(_UNEXPLAINED)

    async def _here(self, steps: int, spec: ToolSpec, check: Callable[[], _T]) -> _T:
        """Check in this process, and remember a schema whose check takes much longer than it was estimated to."""
        if steps > _AT_ONCE_STEPS:
            async with self._turn:
                await asyncio.sleep(0)
                return self._timed(spec, check)
        return self._timed(spec, check)

    def _timed(self, spec: ToolSpec, check: Callable[[], _T]) -> _T:
        began = time.thread_time_ns()
        answer = check()
        took = time.thread_time_ns() - began
        if took > _SURPRISE_NS:
            if len(self._surprising) >= _MOST_SURPRISES:  # of catalogues that were replaced
                self._surprising.clear()
            self._surprising.add(spec.schema_json)
            _log.warning(
                "a check of arguments took longer than was estimated; other processes make it from now on",
                extra={"tool": spec.name, "milliseconds": took // 1_000_000},
            )
        return answer

    async def _elsewhere(self, spec: ToolSpec, call: ToolCall, late: str) -> ArgumentFault | None:
        """Check in another process; ``late`` is the fault if it takes too long."""
        if self._waiting >= _MOST_WAITING:
            raise NoDecision(
                "RESOURCE_EXHAUSTED", "overloaded", f"{_MOST_WAITING} calls wait for a costly check already"
            )
        self._waiting += 1
        try:
            async with self._places:
                return await self._asked(spec, call, late)
        finally:
            self._waiting -= 1

    async def _asked(self, spec: ToolSpec, call: ToolCall, late: str) -> ArgumentFault | None:
        try:
            process = self._idle.pop() if self._idle else await _Process.start()
        except (TimeoutError, EOFError, OSError) as error:
            _log.error("no process checks arguments", extra={"problem": repr(error)})
            raise NoDecision(
                "RESOURCE_EXHAUSTED", "overloaded", "no process can be started to check it"
            ) from error
        answered = False
        try:
            async with asyncio.timeout(_SECONDS):
                fault = await process.ask(spec.schema_json, call.arguments_json)
            answered = True
        except (TimeoutError, EOFError, OSError):
            return ArgumentFault(late)
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
        """Start a process, and wait until it checks.

        Raises:
            TimeoutError: it takes too long.
            EOFError: it has ended.
            OSError: it can't be started.
        """
        started = cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                *_COMMAND,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        )
        checks = False
        try:
            async with asyncio.timeout(_START_SECONDS):
                await started.ask(b"true", b"{}")
            checks = True
        finally:
            if not checks:
                await started.end()
        return started

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
