"""A client that made calls before a fork works in the child, or says why it can't."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest
from tabard.testing import FakeIssuer
from tabard.verify import SqliteReplayStore, Verifier

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


POOL = """
import multiprocessing, os, signal, sys
from concurrent.futures import ProcessPoolExecutor
import tabard
from tabard import _context

client = tabard.connect(sys.argv[1], timeout_seconds=5)

@tabard.guard("t")
def tool():
    return tabard.current_decision().decision_id

def seen(grant):
    signal.alarm(30)
    found = []
    for ask in (tabard.current_task, tabard.current_decision, tabard.current_credential, tool):
        try:
            found.append(str(ask()))
        except tabard.InvalidRequest as error:
            found.append(error.code)
    found.append(_context.request_id())
    with client.task(grant) as task:
        assert tabard.current_task() is task
        own = tool()
    return found, bool(own)

alice, bob = client.start_task("alice"), client.start_task("bob")
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
    with alice, alice.call("t"), _context.use_request_id("r"):
        list(pool.map(seen, [alice.grant] * 4))  # the pool's processes start here
    with bob, bob.call("t"):
        answers = {str(answer) for answer in pool.map(seen, [bob.grant] * 4)}
print(*answers)
with alice:
    child = os.fork()
    if not child:
        signal.alarm(30)
        try:
            tabard.current_task()
        except tabard.InvalidRequest:
            pass
        else:
            os._exit(1)
    else:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert tabard.current_task() is alice
os._exit(0)  # in the child the block has been left without an error
"""


def test_a_pool_that_starts_in_a_persons_task_does_not_work_as_this_person(address):
    """It has no task, call or request id of the code that started it; what it is handed works."""
    done = subprocess.run(
        [sys.executable, "-c", POOL, address], capture_output=True, text=True, timeout=60, check=True
    )
    none = ["no_current_task", "no_current_call", "no_current_call", "no_current_task", ""]
    assert done.stdout.strip() == str((none, True)), done.stderr


@pytest.mark.parametrize("busy", ["keys", "audience keys", "used credentials"])
def test_a_verifier_works_in_a_process_that_was_forked_while_it_was_busy(tmp_path, busy):
    """The thread that was at work isn't there in the child, and its lock would never be released."""
    issuer = FakeIssuer("refunds")
    jwks, keys = issuer.write_jwks(tmp_path / "jwks"), issuer.write_audience_keys(tmp_path / "keys")
    verifier = Verifier(
        "refunds",
        issuer=issuer.name,
        jwks=jwks,
        audience_keys=keys,
        replay=SqliteReplayStore(tmp_path / "used"),
    )
    if busy == "used credentials":
        verifier.verify(issuer.jwt("t", single_use=True), "t", {})
    places = {"keys": "_jwks", "audience keys": "_audience_keys", "used credentials": "_replay"}
    owner = getattr(verifier, places[busy])
    with owner._lock:
        child = os.fork()
        if not child:
            signal.alarm(20)
            code = 1
            try:
                for kind in (issuer.jwt, issuer.macaroon):
                    token = kind("t", single_use=True)
                    verifier.verify(token, "t", {})
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    verifier.verify(issuer.macaroon("t", single_use=True), "t", {})
