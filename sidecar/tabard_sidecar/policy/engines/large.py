"""Loads policies with more data than usual, beside a process that serves."""

from __future__ import annotations

import mmap
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path

from tabard_opa import Engine, EngineError, Policy
from tabard_opa.memory import resident_bytes

from tabard_sidecar.policy.engines.read_apart import Prepared, Task
from tabard_sidecar.policy.loading.compiling import Compiled, CompileOptions
from tabard_sidecar.policy.loading.engine_problems import problems_of
from tabard_sidecar.policy.loading.offered import OtherTool, Tool
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.wanted import require_wanted

_MEMORY_MIB = 512
_MEMORY_PER_MIB = 64
"""Resident memory that reading may take, beside some for each MiB of data that is accepted."""
_POLL_SECONDS = 0.05
# Run as a module, its classes would be others than the ones here.
_PROGRAM = "from tabard_sidecar.policy.engines.read_apart import main; main()"


@dataclass(frozen=True, slots=True)
class Found:
    """What the process found, and memory in which the engine's requests begin at ``begin``, in bytes."""

    told: Prepared
    memory: mmap.mmap
    begin: int


@contextmanager
def prepared(path: Path, content: bytes | None, options: CompileOptions, *, trusted: bool) -> Iterator[Found]:
    """Read and check a policy in a process of its own; give what it found. Arguments as for :class:`read_apart.Task`.

    The process is ended if it takes too much memory, or if its result isn't wanted any more.

    Raises:
        PolicyBrokenError: with every problem that was found.
    """
    # Sealed off from the file system, which may be read-only.
    with (
        os.fdopen(os.memfd_create("policy"), "w+b") as given,
        os.fdopen(os.memfd_create("read"), "w+b") as found,
    ):
        given.write(pickle.dumps(_task(path, content, options, trusted=trusted)))
        given.seek(0)
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=given,
            stdout=found,
            stderr=subprocess.DEVNULL,
        )
        try:
            status = _watch(process, _MEMORY_MIB + _MEMORY_PER_MIB * options.sizes.data_mib)
        finally:
            process.kill()
            process.wait()
        if status:
            raise _broken(path, f"reading the policy {status}")
        with mmap.mmap(
            found.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE
        ) as memory:
            begin = 8 + int.from_bytes(memory[:8])
            told = pickle.loads(memory[8:begin])  # noqa: S301 - of the process that this one started
            if not isinstance(told, Prepared):
                raise PolicyBrokenError(told)
            yield Found(told, memory, begin)


def compiled(engine: Engine, found: Found) -> Compiled:
    """Compile what :func:`prepared` gave. Python holds its lock for none of it.

    Raises:
        PolicyBrokenError: it doesn't compile here.
    """
    told = found.told
    ends = list(accumulate((length for _, length in told.requests), initial=found.begin))
    policies: list[Policy] = []
    try:
        for (entrypoint, _), (start, end) in zip(told.requests, pairwise(ends), strict=True):
            policies.append(engine.compile_request(found.memory, [entrypoint], start, end))
    except EngineError as error:
        for policy in policies:
            policy.close()
        raise PolicyBrokenError(problems_of(error)) from error
    mask = policies[1] if len(policies) > 1 else None
    return Compiled(policies[0], mask, told.rules, told.warnings)


def _task(path: Path, content: bytes | None, options: CompileOptions, *, trusted: bool) -> Task:
    """Return the task, with what loading reads of the tools of now: the catalogue itself stays in this process."""
    offers = options.offers
    tools = None if offers.tools is None else tuple(map(_plain, offers.tools))
    return Task(path, content, replace(options, offers=replace(offers, tools=tools)), trusted)


def _plain(tool: Tool) -> OtherTool:
    return OtherTool(tool.name, tool.labels, dict(tool.annotations), tool.arguments, tool.schema)


def _watch(process: subprocess.Popen[bytes], most_mib: int) -> str:
    """Wait until the process has ended; return why it is none that can be used, or the empty string."""
    while True:
        require_wanted()
        with suppress(subprocess.TimeoutExpired):
            status = process.wait(_POLL_SECONDS)
            return f"ended its process with status {status}" if status else ""
        if resident_bytes(process.pid) > most_mib * 2**20:
            return f"takes more than {most_mib} MiB of memory"


def _broken(path: Path, message: str) -> PolicyBrokenError:
    step = "Keep less data in the policy, or give the process more memory"
    return PolicyBrokenError([PolicyProblem(str(path), 0, 0, "limit", message, step)])
