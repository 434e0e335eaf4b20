"""Ends a process together with every process that it started, however far down and in whatever session."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PROCESSES = Path("/proc")
_WAIT_SECONDS = 0.005


def adopt_orphans() -> None:
    """Make this process the parent of its descendants whose own parent ends, so that :func:`end_descendants` finds them.

    Where the kernel can't do that, those are found that still have their parent.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants(seconds: float) -> None:
    """Kill every descendant of this process, and those that are started meanwhile, for at most ``seconds``."""
    until = time.monotonic() + seconds
    while _reap() and time.monotonic() < until:
        for process in _descendants():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(_WAIT_SECONDS)


def _reap() -> bool:
    """Collect children that have ended; tell whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _descendants() -> Iterator[int]:
    """Yield the descendants, parents first, so that one doesn't start another after its children were looked at."""
    children: dict[int, list[int]] = {}
    for process, parent in _parents():
        children.setdefault(parent, []).append(process)
    pending, seen = [os.getpid()], set[int]()
    while pending:
        for process in children.get(pending.pop(), ()):
            if process not in seen:
                seen.add(process)
                pending.append(process)
                yield process


def _parents() -> Iterator[tuple[int, int]]:
    """Yield each process of the machine and its parent."""
    for entry in _PROCESSES.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # The name of the program, in brackets, may hold anything.
                status = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                yield int(entry.name), int(status[1])
