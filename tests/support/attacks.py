"""The law about health under attack, for every attack."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from testbed.attacks.agents import Attack
from testbed.attacks.stage import Held, Stage
from testbed.probing import Probes

BOUND_SECONDS = 0.1
_TIMES_TWIN = 10
_SETTLE_SECONDS = 0.3


async def answers_under(attack: Attack, stage: Stage, probes: Probes, seconds: float = 1.0) -> None:
    """Health answers within a tenth of a second, and nothing holds the event loop or the interpreter for so long.

    The usual answer counts, and ten times what the twin takes, which does nothing at the same time on the same machine.
    What holds loop and interpreter is measured in processor time, which a busy machine doesn't change.
    """
    await asyncio.sleep(_SETTLE_SECONDS)
    begin = time.monotonic()
    async with attack(stage):
        await asyncio.sleep(seconds)
        end = time.monotonic()
    took, twin = (probes.between(number, begin, end) for number in (0, 1))
    held = stage.held(begin, end)
    assert took
    usual, usual_twin = statistics.median(took), statistics.median(twin)
    assert usual < max(BOUND_SECONDS, _TIMES_TWIN * usual_twin), (took, twin, held[:3])
    assert all(one.running < 1000 * _longest(one) for one in held), held[:3]


def _longest(held: Held) -> float:
    """Return how long something may hold others up, in seconds of processor time.

    On a busy machine the watcher of the interpreter waits for a processor, too, so it may find some turns of a thread in one.
    """
    return BOUND_SECONDS * (2 if held.what.startswith("the interpreter") else 1)


def forget_peak(pid: int) -> None:
    """Measure the most memory of a process from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_megabytes(pid: int) -> float:
    """Return the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
