"""Measures how fast health answers under every attack on availability; writes bench/results/health.json.

A process of its own probes, in turns, the health socket of a real sidecar and that of a twin: a process that serves the same
page and does nothing else. Both are on the same machine at the same time, so what other load does to it shows in both. The
first two rounds are controls: no attack, and as many busy processes as there are processors. The longest callback of the
sidecar's event loop is told in processor time, which other load doesn't change.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bench.harness import Figure, percentile, publish
from testbed.attacks.agents import HOLDERS, STRANGERS, Attack
from testbed.attacks.dependencies import STAGES
from testbed.attacks.loads import LOADS
from testbed.attacks.probed import probed
from testbed.attacks.stage import Stage
from testbed.probing import Probes

_BOUND_MILLISECONDS = 100.0
_SETTLE_SECONDS = 1.0
QUIET = "no attack"
BUSY = "no attack, and a busy process per processor"


@asynccontextmanager
async def _nothing(_: Stage) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def _busy(_: Stage) -> AsyncIterator[None]:
    command = (sys.executable, "-c", "while True: pass")
    running = [await asyncio.create_subprocess_exec(*command) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            await process.wait()


def run(*, quick: bool) -> bool:
    """Measure and tell whether every goal is met."""
    seconds = 1.0 if quick else 8.0
    figures = asyncio.run(_measure({QUIET: _nothing, BUSY: _busy, **STRANGERS, **HOLDERS, **LOADS}, seconds))
    return True if quick else publish("health", figures)


async def _measure(attacks: Mapping[str, Attack], seconds: float) -> list[Figure]:
    figures: list[Figure] = []
    async with probed() as (attacked, probes):
        for name, attack in attacks.items():
            figures += await _round(attacked, probes, name, attack, seconds)
    for name, (make, attack) in STAGES.items():
        async with make() as overrides, probed(overrides) as (attacked, probes):
            figures += await _round(attacked, probes, name, attack, seconds)
    return figures


async def _round(attacked: Stage, probes: Probes, name: str, attack: Attack, seconds: float) -> list[Figure]:
    await asyncio.sleep(_SETTLE_SECONDS)
    begin = time.monotonic()
    async with attack(attacked):
        await asyncio.sleep(seconds)
        end = time.monotonic()
    took, control = ([1000 * one for one in probes.between(number, begin, end)] for number in (0, 1))
    held = max((one.running for one in attacked.held(begin, end)), default=0.0)
    print(f"  {name}: {len(took)} answers", flush=True)
    # What the machine itself does to the twin is no fault of the sidecar's.
    bound = max(_BOUND_MILLISECONDS, percentile(control, 0.99))
    spread = f"twin: p50 {percentile(control, 0.5):.1f}, p99 {percentile(control, 0.99):.1f}, max {max(control):.1f}"
    return [
        Figure(f"p50, {name}", percentile(took, 0.5), "ms"),
        Figure(f"p99, {name}", percentile(took, 0.99), "ms", f"<= {bound:.0f}", spread),
        Figure(f"max, {name}", max(took), "ms"),
        Figure(f"longest callback, {name}", held, "ms of CPU"),
    ]
