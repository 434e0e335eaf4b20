"""A process that serves leaves no core dump, and isn't read by others of its user."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tabard_sidecar.cli import main

from testbed.world import World

NEVER = "from tabard_sidecar.util.dumps import never_dump; never_dump()"


def unlimited() -> None:
    """Let a program leave a core dump, if nothing prevents it."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run a program that may leave dumps."""
    return subprocess.run(
        [sys.executable, "-c", code], preexec_fn=unlimited, capture_output=True, text=True, check=False
    )


def test_the_process_is_undumpable():
    """As the kernel tells (PR_GET_DUMPABLE); without the call it is dumpable."""
    ask = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    assert run(ask).stdout == "1\n"
    assert run(f"{NEVER}\n{ask}").stdout == "0\n"


def test_an_abort_leaves_no_dump(tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", f"{NEVER}\nimport os; os.abort()"], cwd=tmp_path)
    _, status = os.waitpid(killed.pid, 0)
    killed.returncode = 0
    assert os.WTERMSIG(status) == signal.SIGABRT
    assert not os.WCOREDUMP(status)
    assert not list(tmp_path.iterdir())


def test_programs_that_it_executes_may_do_what_they_need():
    """The engine's compiler, for example, gives itself up to the kernel first, in ``/proc/self``."""
    ask = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    assert (
        run(f"{NEVER}\nimport subprocess, sys; subprocess.run([sys.executable, '-c', {ask!r}])").stdout
        == "1\n"
    )


@pytest.mark.parametrize(
    ("command", "load", "run"),
    [
        ("control", "tabard_sidecar.control.loading.load_control", "tabard_sidecar.control.running.run"),
        ("injector", "tabard_sidecar.injector.loading.load_injector", "tabard_sidecar.injector.running.run"),
    ],
)
def test_every_process_that_serves_with_a_key_gives_dumps_up_before_it_reads_one(
    monkeypatch, command, load, run
):
    """The master key and the webhook's own authority as well as a zone's keys."""
    order = []
    monkeypatch.setattr(f"tabard_sidecar.cli.{command}.never_dump", lambda: order.append("never_dump"))
    monkeypatch.setattr(load, lambda *_: order.append("load"))
    monkeypatch.setattr(run, lambda *_: order.append("run"))
    assert main([command, "serve"]) == 0
    assert order == ["never_dump", "load", "run"]


def core_limit(pid: int) -> list[str]:
    """Return the soft and the hard limit of a process's core dumps."""
    lines = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()
    (row,) = [line for line in lines if line.startswith("Max core file size")]
    return row.split()[4:6]


async def test_a_sidecar_serves_without_dumps(folder):
    async with World(folder, workloads=("orchestrator",)) as world:
        assert core_limit(world.sidecars["orchestrator"].process.pid) == ["0", "0"]
