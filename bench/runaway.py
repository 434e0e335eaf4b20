"""Measures the causes of slow calls next to a runaway rule.

Run as ``python -m bench.runaway``; writes bench/results/engine-profile.txt. For the slowest hundredth of the
calls it reports the duration, the running time of the thread, and the number of calls that another thread
interrupted. Running time beyond the usual comes from cold caches and the garbage collector; the rest of the
duration is waiting for a processor.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tabard_opa import Engine

from bench.engine import ENTRYPOINT, load_example, run_away
from bench.harness import RESULTS, commit, machine

CALLS = 4_000
SLOWEST = 0.01


@dataclass(frozen=True, slots=True)
class Call:
    """One call: wall and running time in microseconds, and the number of interruptions of the thread."""

    wall: float
    running: float
    interrupted: int


async def _measured(call: Callable[[], Awaitable[object]]) -> list[Call]:
    calls = []
    for _ in range(CALLS):
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
        running, wall = time.thread_time_ns(), time.perf_counter_ns()
        await call()
        took, ran = time.perf_counter_ns() - wall, time.thread_time_ns() - running
        interrupted = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw - before
        calls.append(Call(took / 1e3, ran / 1e3, interrupted))
        await asyncio.sleep(0)
    return calls


def _line(name: str, calls: list[Call]) -> str:
    interrupted = sum(1 for call in calls if call.interrupted) / len(calls)
    wall, running = (statistics.mean(getattr(call, part) for call in calls) for part in ("wall", "running"))
    return f"{name:44}{wall:8.0f}{running:10.0f}{interrupted:14.0%}"


def _rows(name: str, calls: list[Call]) -> list[str]:
    ordered = sorted(calls, key=lambda call: call.wall)
    slowest = ordered[-int(len(ordered) * SLOWEST) :]
    return [_line(f"{name}: all", calls), _line(f"{name}: slowest hundredth", slowest)]


async def measure() -> str:
    """Return the table."""
    modules, data, policy_input = load_example()
    policy = Engine().compile(modules, data, entrypoints=[ENTRYPOINT])
    text = json.dumps(policy_input).encode()
    stop = asyncio.Event()

    async def call() -> object:
        return await policy.evaluate(ENTRYPOINT, text, deadline_seconds=1.0)

    await _measured(call)
    alone = await _measured(call)
    runaway = asyncio.create_task(run_away(policy, policy_input, stop))
    await asyncio.sleep(0.05)
    beside = await _measured(call)
    stop.set()
    await runaway
    head = f"{'microseconds a call':44}{'wall':>8}{'running':>10}{'interrupted':>14}"
    rows = [*_rows("alone", alone), *_rows("beside a runaway rule", beside)]
    return "\n".join([f"{machine()}, commit {commit()}", "", head, *rows]) + "\n"


def main() -> None:
    """Measure, print and write."""
    table = asyncio.run(measure())
    sys.stdout.write(table)
    (RESULTS / "engine-profile.txt").write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
