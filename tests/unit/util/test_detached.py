"""Work that hangs is given up, counted, and keeps nothing from ending."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time

import pytest
from tabard_sidecar.policy.loading.documents import parse_json, parse_yaml
from tabard_sidecar.util.detached import Detached, StuckError
from tabard_sidecar.util.wanted import GivenUpError, require_wanted

from tests.support.waiting import eventually


async def test_results_and_errors_come_back():
    detached = Detached("counting")
    assert await detached.run(lambda: 3, 5) == 3
    with pytest.raises(ZeroDivisionError):
        await detached.run(lambda: 1 // 0, 5)
    with pytest.raises(TimeoutError, match="its own"):
        await detached.run(lambda: (_ for _ in ()).throw(TimeoutError("its own")), 5)


async def test_places_that_hang_are_counted_and_come_back():
    detached, go, late = Detached("waiting", places=2), threading.Event(), []
    for _ in range(2):
        with pytest.raises(StuckError, match=r"waiting took longer than 0\.05 s"):
            await detached.run(lambda: go.wait() and "late", 0.05, late.append)
    with pytest.raises(StuckError, match="2 attempts at waiting hang"):
        await detached.run(lambda: None, 5)
    go.set()
    await eventually(lambda: len(late) == 2)
    assert late == ["late", "late"]
    assert await detached.run(lambda: 1, 5) == 1


async def test_a_task_that_is_cancelled_leaves_its_result_to_be_discarded():
    detached, go, late = Detached("waiting"), threading.Event(), []
    task = asyncio.create_task(detached.run(lambda: go.wait() and "late", 60, late.append))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go.set()
    await eventually(lambda: late)


async def test_work_that_was_given_up_ends_at_its_next_piece():
    """Otherwise loads of a file that takes too long would pile up, and take the process's time."""
    detached, ended = Detached("reading", places=1), threading.Event()

    def work():
        try:
            while True:
                require_wanted()
        except GivenUpError:
            ended.set()
            raise

    with pytest.raises(StuckError, match="took longer"):
        await detached.run(work, 0.05)
    await eventually(ended.is_set)
    await eventually(lambda: all(one.name != "tabard-reading" for one in threading.enumerate()))
    assert await detached.run(lambda: 1, 5) == 1
    require_wanted()  # work that isn't detached is always wanted


@pytest.mark.parametrize("parse", [parse_yaml, parse_json])
async def test_parsing_that_was_given_up_ends(parse):
    content = b"[" + b",".join([b'{"a":0}'] * 40_000) + b"]"
    ends = []

    def work():
        try:
            return parse(content)
        except GivenUpError as error:
            ends.append(error)
            raise

    detached = Detached("parsing")
    with pytest.raises(StuckError):
        await detached.run(work, 0.0001)
    await eventually(lambda: len(ends) == 1)


def test_what_hangs_does_not_keep_the_process():
    script = (
        "import asyncio, threading\n"
        "from tabard_sidecar.util.detached import Detached, StuckError\n"
        "async def main():\n"
        "    try:\n"
        "        await Detached('x').run(threading.Event().wait, 0.1)\n"
        "    except StuckError:\n"
        "        print('given up')\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "given up\n"


async def test_work_that_comes_often_has_one_thread():
    """Each piece finds the thread of the one before, after an error as well; one that hangs leaves its place to another."""
    detached, go, found = Detached("looking", places=2, often=True), threading.Event(), set()
    late = []
    for number in range(20):
        found.add(await detached.run(threading.get_ident, 5))
        with pytest.raises(ZeroDivisionError):
            await detached.run(lambda: 1 // 0, 5)
        await detached.run(lambda number=number: number, 5)
    assert len(found) == 1
    with pytest.raises(StuckError):
        await detached.run(go.wait, 0.05, late.append)
    assert await detached.run(threading.get_ident, 5) not in found
    go.set()
    await eventually(lambda: late)
    both = threading.Barrier(2)
    await asyncio.gather(*(detached.run(lambda: both.wait(60), 60) for _ in range(2)))
    assert len([one for one in threading.enumerate() if one.name == "tabard-looking"]) == 2


async def test_idle_threads_end_with_their_owner():
    """Also the one that is still busy when its owner goes."""
    go, late = threading.Event(), []
    detached = Detached("owned", places=3, often=True)
    await asyncio.gather(*(detached.run(lambda: time.sleep(0.05), 5) for _ in range(2)))
    with pytest.raises(StuckError):
        await detached.run(go.wait, 0.05, late.append)
    assert sum(one.name == "tabard-owned" for one in threading.enumerate()) >= 2
    del detached
    gc.collect()
    await eventually(lambda: sum(one.name == "tabard-owned" for one in threading.enumerate()) == 1)
    go.set()
    await eventually(lambda: all(one.name != "tabard-owned" for one in threading.enumerate()))
    assert late == [True]
