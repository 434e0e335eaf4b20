"""A server of tools that a command starts ends with everything that it has started itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from tabard_sidecar.cli.mcp_bounds import within

from tests.support.waiting import eventually_blocking

SERVER = """
    import os, subprocess, sys, time
    folder, ends = sys.argv[1], sys.argv[2]
    deep = (
        "import os, subprocess, sys, time\\n"
        "name, left = sys.argv[1:]\\n"
        "open(f'{name}{left}', 'w').write(str(os.getpid()))\\n"
        "if int(left): subprocess.Popen([sys.executable, '-c', sys.orig_argv[2], name, str(int(left) - 1)], start_new_session=True)\\n"
        "if left != '2': time.sleep(600)\\n"
    )
    # A child whose own child is left an orphan, each in a session of its own, with output and errors held open.
    subprocess.Popen([sys.executable, "-c", deep, folder + "/pid", "3"], start_new_session=True)
    while not os.path.exists(folder + "/pid0"):
        time.sleep(0.02)
    time.sleep(0.1)
    if ends == "sends":
        while True:
            os.write(1, b"x" * 65536)
    if ends == "ends":
        print("bye", flush=True)
        sys.exit(3)
    print("ready", flush=True)
    time.sleep(600)
"""


def pids(folder):
    return [int((folder / f"pid{number}").read_text()) for number in range(4)]


def alive(process):
    """Whether a process runs; one that only waits to be collected doesn't."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def started(tmp_path):
    """Starts the server; whatever stays is ended afterwards."""
    (tmp_path / "server.py").write_text(textwrap.dedent(SERVER))
    children = []

    def start(ends):
        command = within([sys.executable, str(tmp_path / "server.py"), str(tmp_path), ends])
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            pipe.close()
    for file in tmp_path.glob("pid?"):
        if alive(int(file.read_text())):
            os.kill(int(file.read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    ("ends", "code", "says"),
    [("sends", 1, b"sent more than"), ("ends", 3, b"")],
    ids=["too much", "by itself"],
)
def test_nothing_stays_of_a_server_that_has_ended(started, tmp_path, ends, code, says):
    """Also of one whose processes hold its output open."""
    child = started(ends)
    output, error = child.communicate(timeout=60)
    assert child.returncode == code
    assert says in error
    assert output.startswith(b"xx" if ends == "sends" else b"bye\n")
    assert not any(map(alive, pids(tmp_path)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_stays_when_the_command_is_interrupted(started, tmp_path, number):
    child = started("stays")
    assert child.stdout.readline() == b"ready\n"
    assert sum(map(alive, pids(tmp_path))) == 3
    child.send_signal(number)
    assert child.wait(20) == 128 + number
    assert not any(map(alive, pids(tmp_path)))


def test_nothing_stays_when_the_one_that_asked_is_gone(started, tmp_path):
    """A command that is killed can't say so: its end of the pipe closes."""
    child = started("stays")
    assert child.stdout.readline() == b"ready\n"
    began = time.monotonic()
    child.stdin.close()
    eventually_blocking(lambda: not any(map(alive, pids(tmp_path))))
    child.wait(20)
    assert time.monotonic() - began > 0.9, (
        "a server that reads the end of its input has time to end by itself"
    )
