"""A sidecar that is asked nothing sleeps; how often it is woken is exact on a busy machine, too."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import wakeups
from testbed.world import World

SECONDS = 10.0
MOST = 20.0
"""Wake-ups a second; 13 to 17 were counted: 7 are gRPC's own, 4 look for changes of policy and catalogue."""


async def test_an_idle_sidecar_is_woken_seldom():
    with TemporaryDirectory(prefix="tabard-idle-") as folder:
        place = Path(folder) / "w"
        place.mkdir()
        async with World(place, workloads=("support",)) as world:
            process = world.sidecars["support"].process
            assert process is not None
            # The engine counts stuck evaluations for some seconds after the policy was loaded.
            await asyncio.sleep(8)
            before = wakeups(process.pid)
            await asyncio.sleep(SECONDS)
            assert (wakeups(process.pid) - before) / SECONDS <= MOST
