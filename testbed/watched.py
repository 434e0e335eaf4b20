"""Runs ``tabard`` and notes what holds the event loop: ``python -m testbed.watched FILE [--unread] serve …``.

With ``--unread`` its standard output is a pipe that is never read.

Every callback of the loop that takes more than ten milliseconds, and every such time in which a thread of Python lets no other
have its turn, becomes a line of the file: JSON with ``at`` (end, in seconds of the machine's monotonic clock), ``wall`` and ``running`` (milliseconds of time and of
the thread's processor time) and ``what``. Other load of the machine makes ``wall`` longer and leaves ``running`` as it is. Collections of
garbage aren't watched: Python would give other threads their turn for each watcher, which it doesn't otherwise.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from typing import Any

_LEAST_SECONDS = 0.010
_TURN_SECONDS = 0.005


class _Notes:
    def __init__(self, file: str) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def note(self, wall: float, running: float, what: str) -> None:
        """Write one line."""
        line = {
            "at": time.monotonic(),
            "wall": round(wall * 1e3, 1),
            "running": round(running * 1e3, 1),
            "what": what,
        }
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")


def _name(handle: asyncio.Handle) -> str:
    callback: Any = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio tells it to no one else
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return getattr(owner.get_coro(), "__qualname__", repr(owner))
    return getattr(callback, "__qualname__", repr(callback))


def _watch_loop(notes: _Notes) -> None:
    run = asyncio.Handle._run  # type: ignore[attr-defined]  # noqa: SLF001 - the only place through which every callback goes

    def watched(handle: asyncio.Handle) -> None:
        began, running = time.perf_counter(), time.thread_time()
        what = _name(handle)
        run(handle)
        took = time.perf_counter() - began
        if took > _LEAST_SECONDS:
            notes.note(took, time.thread_time() - running, what)

    asyncio.Handle._run = watched  # type: ignore[attr-defined,method-assign]  # noqa: SLF001 - see above


def _watch_interpreter(notes: _Notes) -> None:
    """Note when no other thread gets its turn, in a thread that wants one every few milliseconds.

    Only what another thread of Python has run meanwhile counts, so that a busy machine isn't taken for it.
    """

    def watch() -> None:
        while True:
            clocks = {thread: _clock(thread) for thread in threading.enumerate()}
            began = time.perf_counter()
            time.sleep(_TURN_SECONDS)
            waited = time.perf_counter() - began - _TURN_SECONDS
            if waited <= _LEAST_SECONDS:
                continue
            ran = {thread: _clock(thread) - clock for thread, clock in clocks.items() if thread.is_alive()}
            thread, running = max(ran.items(), key=lambda item: item[1])
            if running > _LEAST_SECONDS:
                notes.note(waited, running, f"the interpreter, by {thread.name}")

    threading.Thread(target=watch, name="watcher", daemon=True).start()


def _clock(thread: threading.Thread) -> float:
    """Return the processor time of a thread, in seconds; 0 if it has ended."""
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))
    except OSError:
        return 0.0


def main() -> None:
    """Watch, and run the command."""
    notes = _Notes(sys.argv.pop(1))
    _watch_loop(notes)
    _watch_interpreter(notes)
    if sys.argv[1] == "--unread":
        del sys.argv[1]
        os.dup2(os.pipe()[1], sys.stdout.fileno())
    from tabard_sidecar.cli import main as command  # noqa: PLC0415 - imported while it is watched

    command()


if __name__ == "__main__":
    main()
