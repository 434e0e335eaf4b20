"""Checks instances against schemas in a process of its own, which can be ended: ``python -m tabard_sidecar.policy.check_worker``.

Reads frames from standard input and writes one to standard output for each: the number of bytes (4, big endian) and JSON. A
request is two frames, the schema and the instance, an answer ``null`` or ``[place, problem]``. Ends with its input.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any, BinaryIO

from tabard_sidecar.policy.schema import Check, compile_schema

CPU_SECONDS = 2
"""Processor time of one check; the kernel then ends the process."""
_MEMORY_BYTES = 512 * 1024 * 1024
_NICE = 5
_COMPILED = 32


def read_frame(stream: BinaryIO) -> bytes | None:
    """Return the next frame, ``None`` at the end."""
    head = stream.read(4)
    return stream.read(int.from_bytes(head)) if len(head) == 4 else None  # noqa: PLR2004


def frame(content: bytes) -> bytes:
    """Return a frame."""
    return len(content).to_bytes(4) + content


def _limit(kind: int, wanted: int) -> None:
    """Set a soft limit. A hard limit that is inherited may be lower, and stays."""
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def main() -> None:
    """Answer until the input ends."""
    _limit(resource.RLIMIT_AS, _MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)
    compiled: dict[bytes, Check] = {}
    while (request := read_frame(sys.stdin.buffer)) is not None:
        instance = read_frame(sys.stdin.buffer) or b"{}"
        used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        _limit(resource.RLIMIT_CPU, int(used) + 1 + CPU_SECONDS)
        check = compiled.get(request)
        if check is None:
            if len(compiled) >= _COMPILED:
                compiled.clear()
            check = compiled[request] = compile_schema(json.loads(request))
        answer: Any = check(json.loads(instance))
        sys.stdout.buffer.write(frame(json.dumps(answer).encode()))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
