"""Bounds the memory of the candidate's process: it ends itself above the bound, and says so."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tabard_opa.memory import resident_bytes

_LOOK_SECONDS = 0.02
MEBIBYTE = 2**20


class MemoryBound:
    """Ends this process as soon as it takes more memory than it may, whatever it is busy with.

    A thread looks at the resident memory while the process works. In between, no more than as much again can be allocated:
    the kernel refuses it.

    Args:
        most_bytes: resident memory that the process may take.
        tell: called with the reason before the process ends; must not wait for the process's other threads.
    """

    def __init__(self, most_bytes: int, tell: Callable[[str], None]) -> None:
        self._most = most_bytes
        self._tell = tell
        self._busy = threading.Event()

    def start(self) -> None:
        """Set the kernel's limit, and start to look. Call it when all that the process needs itself is loaded."""
        own = _status_bytes("VmData")
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = own + 2 * self._most
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        threading.Thread(target=self._watch, name="memory", daemon=True).start()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look while a block works; an idle process isn't woken."""
        self._busy.set()
        try:
            yield
        finally:
            self._busy.clear()

    def _watch(self) -> None:
        while self._busy.wait():
            if resident_bytes(os.getpid()) > self._most:
                self._tell(
                    f"it takes more than {self._most // MEBIBYTE} MiB of memory (policy.shadow.max_memory_mib)"
                )
                os._exit(1)
            time.sleep(_LOOK_SECONDS)


def _status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
