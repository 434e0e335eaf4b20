"""Processes that charge one budget and are killed at any moment: nothing that was acknowledged is lost, nothing overspent."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tabard_sidecar.model import BudgetLimit
from tabard_sidecar.state import Chain, TaskRecord
from tabard_sidecar.state.sqlite import SQLiteStateStore

from tests.support.waiting import eventually_blocking

NOW = 1_800_000_000.0
BUDGETS = (BudgetLimit("outer", "cents", 3_000), BudgetLimit("inner", "cents", 2_500))
CHAIN = Chain(("root", "hop"), BUDGETS)
PROCESSES = 4
CALLERS = 8

# Each caller says what was acknowledged with one write, which the kernel keeps whatever happens to the process.
CHARGER = """
import asyncio, os, random, sys
from pathlib import Path
from tabard_sidecar.state import Reservation, ReserveState
from tabard_sidecar.state.sqlite import SQLiteStateStore
from tests.unit.state.test_killed import CALLERS, CHAIN, NOW

async def main(path, said, seed):
    store = SQLiteStateStore(Path(path), zone="z", busy_timeout_seconds=10)
    await store.open()
    acknowledged = os.open(said, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    numbers = random.Random(seed)
    async def caller(name):
        for call in range(100_000):
            cents = numbers.randrange(1, 40)
            wanted = Reservation(
                chain=CHAIN, decision_id=f"{seed}-{name}-{call}", tool="pay", charges={"cents": cents},
                task_labels=(), branch_labels=(), label_version=0, approvals=(), now=NOW,
            )
            reserved = await store.reserve(wanted)
            if reserved.state is ReserveState.DONE:
                os.write(acknowledged, f"{cents}\\n".encode())
            elif reserved.state is ReserveState.EXHAUSTED and cents == 1:
                return
            await asyncio.sleep(0)
    await asyncio.gather(*(caller(number) for number in range(CALLERS)))

asyncio.run(main(*sys.argv[1:4]))
"""


async def spent_and_calls(path: Path) -> tuple[dict[str, int], int]:
    """Return what the budgets have spent and how many calls were stored."""
    store = SQLiteStateStore(path, zone="z")
    await store.open()
    try:
        assert not await store.check()
        tree = await store.tree("task")
        return dict(tree.spent), tree.calls
    finally:
        await store.close()


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_no_budget_is_overspent(tmp_path, seed):
    """32 callers in four processes, two of which are killed: spent is at least what was acknowledged, at most the limit."""
    path = tmp_path / "state.db"

    async def begin():
        store = SQLiteStateStore(path, zone="z")
        await store.open()
        await store.open_task(
            TaskRecord("root", "task", "i", "s", "w", "p", NOW, NOW + 3600), labels_since=NOW
        )
        await store.close()

    asyncio.run(begin())
    said = [tmp_path / f"said-{number}" for number in range(PROCESSES)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", CHARGER, path, file, f"{seed}{number}"], stderr=subprocess.PIPE
        )
        for number, file in enumerate(said)
    ]
    numbers = random.Random(seed)

    def charging():
        if any(file.exists() and file.stat().st_size for file in said):
            return True
        assert all(process.poll() is None for process in running), running[0].stderr.read()
        return False

    for victim in running[:2]:
        eventually_blocking(charging)
        time.sleep(numbers.random() * 0.05)
        victim.send_signal(signal.SIGKILL)
    for process in running:
        process.communicate(timeout=60)
    assert [process.returncode for process in running[2:]] == [0, 0]

    acknowledged = [int(line) for file in said if file.exists() for line in file.read_text().split()]
    spent, calls = asyncio.run(spent_and_calls(path))
    # A killed caller may have been charged for what it never heard of; each had one call under way.
    assert sum(acknowledged) <= spent["outer"] == spent["inner"] <= 2_500
    assert len(acknowledged) <= calls <= len(acknowledged) + 2 * CALLERS
    assert spent["inner"] > 2_400
