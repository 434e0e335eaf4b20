"""Tries in a process of its own whether a policy compiles, within a time and an amount of memory."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Final

from tabard_opa._library import library_path, problems_from
from tabard_opa.errors import UNFINISHED, EngineError, PolicyProblem
from tabard_opa.memory import resident_bytes

#: Resident memory that compiling may take, beside some for each byte of modules and data.
MEMORY_BYTES: Final = 192 * 2**20
MEMORY_PER_BYTE: Final = 64
_POLL_SECONDS: Final = 0.01
_SCRIPT: Final = Path(__file__).with_name("_apart.py")


def try_compile(request: bytes, deadline_seconds: float) -> None:
    """Compile in another process, which is ended when it takes too long or too much memory.

    OPA's compiler can't be interrupted: some policies of a few lines take it hours and all memory.

    Raises:
        EngineError: the policy doesn't compile, or not within the limits.
    """
    limit = MEMORY_BYTES + MEMORY_PER_BYTE * len(request)
    with _scratch() as given, _scratch() as found:
        given.write(request)
        given.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603 - our own script
                [sys.executable, "-I", "-S", str(_SCRIPT), str(library_path())],
                stdin=given,
                stdout=found,
                stderr=subprocess.DEVNULL,
                env={"GOMEMLIMIT": str(limit // 4 * 3), "GOTRACEBACK": "none"},
                cwd="/",
            )
        except OSError as error:
            raise _problem(UNFINISHED, f"no process for compiling can be started: {error}") from error
        try:
            problem = _watch(process, limit, time.monotonic() + deadline_seconds)
        finally:
            process.kill()
            process.wait()
        if problem is not None:
            raise problem
        found.seek(0)
        problems = problems_from(found.read())
    if problems:
        raise EngineError(problems)


def _scratch() -> IO[bytes]:
    """Return a nameless file in memory: a sidecar's file system may be read-only, /tmp included."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("tabard-opa"), "w+b")
    return tempfile.TemporaryFile()


def _watch(process: subprocess.Popen[bytes], limit: int, end: float) -> EngineError | None:
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(_POLL_SECONDS)
            if not status:
                return None
            return _problem(UNFINISHED, f"compiling the policy ended its process with status {status}")
        if time.monotonic() > end:
            return _problem(
                UNFINISHED,
                "compiling the policy takes too long: split rules that build on each other, or name fewer parts",
            )
        if resident_bytes(process.pid) > limit:
            return _problem("limit", f"compiling the policy takes more than {limit // 2**20} MiB of memory")


def _problem(code: str, message: str) -> EngineError:
    return EngineError((PolicyProblem("", 0, 0, code, message),))
