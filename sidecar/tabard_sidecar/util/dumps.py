"""Keeps secrets in memory out of core dumps, and out of reach of other processes of the same user."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4  # prctl.h


def never_dump() -> None:
    """Let this process leave no core dump; call it before it reads a secret.

    Where the kernel passes dumps to a program (``core_pattern`` with a pipe), the limit alone doesn't count. On Linux the
    process is therefore undumpable, too: no other process of its user can read its memory or trace it. Programs that it
    executes inherit the limit only.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
