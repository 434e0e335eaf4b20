"""Runs what takes minutes in a process of its own: the command of the same name, of which the page shows what it prints."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from tabard_sidecar.util.lean import dataclass

MOST_SECONDS = 3600.0
"""How long a job may take."""
_MOST_BYTES = 64 * 1024 * 1024
_MOST_ERROR = 2000
_PATCH = "suggestion.patch"


class Kind(StrEnum):
    """What is run."""

    REPLAY = "replay"
    SUGGEST = "suggest"


@dataclass(frozen=True, slots=True)
class State:
    """How a job stands.

    Attributes:
        running: whether it runs.
        told: what the command printed as JSON; ``None`` as long as there is nothing.
        patch: the diff that it wrote; empty if it wrote none.
        problem: why it failed.
        stopped: whether an operator stopped it.
    """

    running: bool = False
    told: dict[str, Any] | None = None
    patch: str = ""
    problem: str = ""
    stopped: bool = False


class Jobs:
    """Runs one job at a time.

    Args:
        commands: arguments of the command line for each kind that can be run, without ``--json``.
    """

    def __init__(self, commands: dict[Kind, Sequence[str]]) -> None:
        self._commands = commands
        self._states: dict[Kind, State] = {}
        self._running: asyncio.Task[None] | None = None

    def offers(self, kind: Kind) -> bool:
        """Tell whether there is such a job."""
        return kind in self._commands

    def state(self, kind: Kind) -> State | None:
        """Return how the newest job of a kind stands; ``None`` if there was none."""
        return self._states.get(kind)

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self._running is not None and not self._running.done()

    def start(self, kind: Kind) -> bool:
        """Start a job; return False if one runs."""
        if self.busy:
            return False
        self._states[kind] = State(running=True)
        self._running = asyncio.create_task(self._run(kind))
        return True

    async def end(self, kind: Kind) -> None:
        """End the job of a kind, with all its processes, if it runs."""
        state = self._states.get(kind)
        if state is not None and state.running:
            await self.stop()

    async def stop(self) -> None:
        """End the job that runs."""
        if self._running is not None:
            self._running.cancel()
            # Not awaited itself: the task that waits here may be cancelled, too.
            await asyncio.wait((self._running,))

    async def _run(self, kind: Kind) -> None:
        with tempfile.TemporaryDirectory(prefix="tabard-console-") as folder:
            try:
                self._states[kind] = await asyncio.wait_for(self._result(kind, Path(folder)), MOST_SECONDS)
            except TimeoutError:
                self._states[kind] = State(problem=f"it took more than {MOST_SECONDS / 60:g} minutes")
            except OSError as error:
                self._states[kind] = State(problem=str(error))
            except asyncio.CancelledError:
                self._states[kind] = State(stopped=True)
                raise

    async def _result(self, kind: Kind, folder: Path) -> State:
        patch = folder / _PATCH
        more = ["--patch", str(patch)] if kind is Kind.SUGGEST else []
        output, errors = folder / "output", folder / "errors"
        with output.open("wb") as out, errors.open("wb") as err:
            process = await asyncio.create_subprocess_exec(
                "nice",
                sys.executable,
                # Logs may lie in a folder into which others write, and operators start the console there.
                "-P",
                "-m",
                "tabard_sidecar.cli",
                kind,
                *more,
                "--json",
                *self._commands[kind],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, "NO_COLOR": "1"},
                start_new_session=True,
            )
            try:
                await process.wait()
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                await process.wait()
        return await asyncio.to_thread(_read, output, errors, patch)


def _read(output: Path, errors: Path, patch: Path) -> State:
    if output.stat().st_size > _MOST_BYTES:
        return State(problem="what it found is too large for a page; run the command")
    try:
        told = json.loads(output.read_bytes())
    except ValueError:
        said = errors.read_text(encoding="utf-8", errors="replace").strip()[-_MOST_ERROR:]
        return State(problem=said or "it ended without a result")
    text = patch.read_text(encoding="utf-8") if patch.exists() and patch.stat().st_size <= _MOST_BYTES else ""
    return State(told=told if isinstance(told, dict) else None, patch=text)
