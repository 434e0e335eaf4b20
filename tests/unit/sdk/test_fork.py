"""A client that made calls before a fork works in the child, or says why it can't."""

import subprocess
import sys
import textwrap

import pytest

SERVE = """
import sys
from tabard.testing import FakeSidecar

with FakeSidecar() as fake:
    fake.allow("*")
    print(fake.address, flush=True)
    sys.stdin.read()
"""
FORK = """
import asyncio, os, signal, sys
import tabard

address, kinds = sys.argv[1], sys.argv[2].split("+")
blocking, later = tabard.connect(address, timeout_seconds=5), tabard.aio.connect(address, timeout_seconds=5)
task = blocking.start_task("token")

def use():
    if "blocking" in kinds:
        task.authorize("t")
    if "aio" in kinds:
        asyncio.run(later.task(task.grant).authorize("t"))
    if "closed" in kinds:
        asyncio.run(closed())

async def closed():
    async with tabard.aio.connect(address, timeout_seconds=5) as client:
        await client.task(task.grant).authorize("t")

use()
children = []
for _ in range(8):
    child = os.fork()
    if not child:
        signal.alarm(30)  # a child that hangs is a failure, and doesn't stay
        try:
            use()
        except tabard.InvalidRequest as error:
            os._exit(7 if error.code == "forked" else 1)
        except BaseException as error:
            print(repr(error), str(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
print(sorted({os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}))
use()
os._exit(0)
"""


@pytest.fixture
def address():
    """A sidecar of another process, which the forks don't touch."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process.stdout.readline().strip()
        process.stdin.close()


@pytest.mark.parametrize(
    ("kinds", "support", "codes"),
    [
        ("blocking", None, [0]),
        ("blocking", "1", [0]),
        ("closed", None, [0]),
        ("blocking+closed", None, [0]),
        # The thread of grpc's asyncio isn't there in the child.
        ("aio", None, [7]),
        ("blocking", "0", [7]),
        ("closed", "0", [7]),
    ],
)
def test_children_open_channels_of_their_own_or_are_refused(address, monkeypatch, kinds, support, codes):
    monkeypatch.delenv("GRPC_ENABLE_FORK_SUPPORT", raising=False)
    if support is not None:
        monkeypatch.setenv("GRPC_ENABLE_FORK_SUPPORT", support)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FORK), address, kinds],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == str(codes), done.stderr
