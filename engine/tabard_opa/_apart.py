"""Compiles one policy in a process of its own: run by path, with the library's path; the request comes by standard input.

Imports as little as possible, because a sidecar starts it at every reload. Prints the problems, or ``[]``.
"""

import ctypes
import resource
import sys
from pathlib import Path

_CEILING = 8 << 30


class _Outcome(ctypes.Structure):
    """``tabard_outcome`` of tabard_opa.h."""

    _fields_ = (
        ("handle", ctypes.c_uint64),
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_int64),
        ("parse_ns", ctypes.c_int64),
        ("eval_ns", ctypes.c_int64),
        ("status", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    )


def main() -> None:
    """Compile, and print what was found."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A limit that is inherited may be lower; it can't be raised.
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    ceiling = _CEILING if hard == resource.RLIM_INFINITY else min(_CEILING, hard)
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    # The kernel ends this process before the sidecar if memory runs out.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    library = ctypes.CDLL(sys.argv[1])
    request = sys.stdin.buffer.read()
    made, outcome = _Outcome(), _Outcome()
    library.tabard_engine_new(ctypes.c_int64(1), ctypes.c_int64(0), ctypes.byref(made))
    library.tabard_compile(
        ctypes.c_uint64(made.handle), request, ctypes.c_int64(len(request)), ctypes.byref(outcome)
    )
    text = ctypes.string_at(outcome.data, outcome.length) if outcome.data else b"[]"
    sys.stdout.buffer.write(text if outcome.status else b"[]")


if __name__ == "__main__":
    main()
