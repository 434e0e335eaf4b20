"""Keeps the candidate's process running, feeds it, and takes what it tells."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any

from tabard_sidecar.config import Settings
from tabard_sidecar.shadow.protocol import MAX_ANSWER_BYTES, Given, Told, given, read_told
from tabard_sidecar.shadow.tap import Waiting

_COMMAND = ("-I", "-m", "tabard_sidecar.shadow.worker")
_BATCH_SECONDS = 0.05
_SLICE = 8
"""Records that are encoded at a time; between two slices the event loop answers callers."""
_PAUSE_SECONDS, _MOST_PAUSE_SECONDS = 1.0, 60.0
_LIVED_SECONDS = 60.0
"""A process that lived so long didn't end because of how it started."""
_log = logging.getLogger(__name__)


class CandidateProcess:
    """Runs the process again and again, with growing pauses if it doesn't live.

    Args:
        settings: the sidecar's configuration.
        waiting: records for the process.
        hear: takes what it tells.
        ended: called with the reason when the process has ended.
        pause_seconds: the first pause.
    """

    def __init__(
        self,
        settings: Settings,
        waiting: Waiting,
        hear: Callable[[Told, dict[str, Any]], None],
        ended: Callable[[str], None],
        *,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self._settings = settings
        self._waiting = waiting
        self._hear = hear
        self._ended = ended
        self._first_pause = pause_seconds
        self._writer: asyncio.StreamWriter | None = None
        self._asked: list[asyncio.Future[dict[str, Any] | None]] = []
        self._said = ""
        self.pid = 0

    async def run(self) -> None:
        """Run until cancelled."""
        pause = self._first_pause
        while True:
            began = monotonic()
            self._said = ""
            try:
                await self._once()
            except (OSError, EOFError, ValueError, TypeError, KeyError) as error:
                problem = self._said or f"its process ended ({type(error).__name__}: {error})"
            else:
                problem = self._said or "its process ended"
            _log.warning("shadow: the candidate's process ended", extra={"problem": problem})
            self._ended(problem)
            pause = self._first_pause if monotonic() - began > _LIVED_SECONDS else pause
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MOST_PAUSE_SECONDS)

    async def ask(self, most_groups: int) -> dict[str, Any] | None:
        """Return the process's report; ``None`` if there is no process."""
        writer = self._writer
        if writer is None:
            return None
        answer: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        writer.write(given(Given.REPORT, b"%d" % most_groups))
        return await answer

    async def _once(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *_COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=MAX_ANSWER_BYTES,
        )
        reader, writer = process.stdout, process.stdin
        if reader is None or writer is None:
            raise EOFError
        self.pid = process.pid
        work = [asyncio.ensure_future(self._read(reader)), asyncio.ensure_future(self._write(writer))]
        try:
            writer.write(given(Given.ORDER, self._settings.model_dump_json().encode()))
            self._writer = writer
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            self._writer, self.pid = None, 0
            for one in work:
                one.cancel()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            while self._asked:
                self._answer(None)
            await asyncio.gather(*work, return_exceptions=True)
            await process.wait()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            found = await read_told(reader)
            kind = Told(found.pop("kind"))
            if kind is Told.REPORT:
                self._answer(found["report"])
            elif kind is Told.FAILED:
                self._said = str(found["message"])
            else:
                self._hear(kind, found)

    def _answer(self, report: dict[str, Any] | None) -> None:
        """Give the report to the one who asked first, unless they wait no longer."""
        asked = self._asked.pop(0)
        if not asked.done():
            asked.set_result(report)

    async def _write(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await self._waiting.some()
            await asyncio.sleep(_BATCH_SECONDS)
            while frames := self._waiting.take(_SLICE):
                writer.write(b"".join(frames))
                await writer.drain()
                await asyncio.sleep(0)
