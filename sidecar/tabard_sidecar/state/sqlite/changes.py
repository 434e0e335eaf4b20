"""Looks at a state file whenever something was written to it, and seldom otherwise.

The kernel tells of writes and of replaced files (:mod:`tabard_sidecar.util.folder_bell`). Where it doesn't, the time of the
log's last write does, ten times a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from tabard_sidecar.state.sqlite.file import StateFile
from tabard_sidecar.util.folder_bell import FolderBell
from tabard_sidecar.util.ticks import ticks_until

_OFTEN_SECONDS = 0.1
"""Time between two looks at a file that is written all the time, or of whose changes the kernel doesn't tell."""
_SELDOM_SECONDS = 1.0
"""Time between two looks at a file that rests: the kernel doesn't tell if a folder above the file's is renamed."""
_FIRST_SECONDS = 0.005
"""Time between two looks after a file has rested; it doubles up to ``_OFTEN_SECONDS``."""
_log = logging.getLogger(__name__)


class Changes:
    """What happens to a state file.

    Args:
        file: the open file.
    """

    def __init__(self, file: StateFile) -> None:
        self._file = file
        self._bell: FolderBell | None = FolderBell(file.path.parent)

    def close(self) -> None:
        """Let the kernel tell of nothing more."""
        if self._bell is not None:
            self._bell.close()

    async def seen(self, look: Callable[[], bool], timeout_seconds: float) -> bool:
        """Call ``look`` now and after each transaction, until it returns true or the time is over. Tells which came first.

        Raises:
            NoDecision: no file that can be used is in the file's place.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_seconds
        seldom = _SELDOM_SECONDS if timeout_seconds >= 2 * _SELDOM_SECONDS else _OFTEN_SECONDS
        pause = _FIRST_SECONDS
        while True:
            # In this order: what isn't seen by this look then rings, changes the file's time, or is being written.
            ring = self._bell.next_ring() if self._bell is not None else None
            began = loop.time()
            await self._file.keep_place()
            unwritten = self._file.unwritten_since()
            unfinished = self._file.being_written()
            if look():
                return True
            if loop.time() >= until:
                return False
            if not unfinished:
                written = partial(self._file.written_since, unwritten)
                rounds = _OFTEN_SECONDS if ring is None else seldom
                if not await ticks_until(written, rounds, until, ring):
                    return False
                if ring is not None and unwritten is not None and not ring.done():
                    await self._doubt(ring)
            if loop.time() >= began + _OFTEN_SECONDS or (ring is None and not unfinished):
                pause = _FIRST_SECONDS
            await asyncio.sleep(began + pause - loop.time())
            pause = min(2 * pause, _OFTEN_SECONDS)

    async def _doubt(self, ring: asyncio.Future[None]) -> None:
        """Give up the bell if it doesn't tell what the file's time tells, which changes shortly before it rings."""
        await asyncio.sleep(_OFTEN_SECONDS)
        if not ring.done() and self._bell is not None and self._file.in_place():
            _log.warning(
                "the state file's file system doesn't tell of changes, so it is looked at ten times a second",
                extra={"path": str(self._file.path)},
            )
            self._bell.close()
            self._bell = None
