"""The candidate's process ends itself above its bound of memory, and the kernel refuses it what comes too fast."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import os, sys, time
from tabard_opa.memory import resident_bytes
from tabard_sidecar.shadow.memory import MEBIBYTE, MemoryBound

def tell(message):
    sys.stdout.write(f"{message}\\n")
    sys.stdout.flush()

bound = MemoryBound(resident_bytes(os.getpid()) + 64 * MEBIBYTE, tell)
bound.start()
"""


def ran(program):
    """Run a program after the bound was set; return its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM + program], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_a_process_that_grows_while_it_works_says_so_and_ends():
    """While its thread is in a loop of its own."""
    code, said, _ = ran("""
kept = []
with bound.watched():
    while True:
        kept.append(b"x" * MEBIBYTE)
        time.sleep(0.001)
""")
    assert code == 1
    assert "MiB of memory (policy.shadow.max_memory_mib)" in said


def test_what_stays_below_goes_on():
    code, said, error = ran("""
with bound.watched():
    kept = [b"x" * MEBIBYTE for _ in range(32)]
    time.sleep(0.2)
tell("done")
""")
    assert (code, said, error) == (0, "done\n", "")


def test_an_idle_process_is_not_looked_at():
    """What it holds is looked at when it works again."""
    code, said, _ = ran("""
kept = b"x" * 80 * MEBIBYTE
time.sleep(0.2)
tell("idle")
with bound.watched():
    time.sleep(10)
""")
    assert (code, said.splitlines()[0]) == (1, "idle")
    assert "policy.shadow.max_memory_mib" in said.splitlines()[1]


@pytest.mark.parametrize("size", [1024, 100_000])
def test_the_kernel_refuses_what_comes_faster_than_anyone_looks(size):
    """At once, and more than twice the bound."""
    code, _, error = ran(f"kept = bytearray({size} * MEBIBYTE)")
    assert code == 1
    assert "MemoryError" in error
