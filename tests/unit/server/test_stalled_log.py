"""A sidecar's process whose standard output isn't read, or is full: with the defaults no call is allowed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tabard
import yaml

from testbed.world import http_get
from tests.support.waiting import eventually
from tests.support.zone import Zone

READ = ("tickets.read", {"ticket_id": "t-1"})


@pytest.fixture
def zone(folder):
    """The files of a zone whose sidecar writes its decision log to standard output."""
    made = Zone(folder, workloads=("orchestrator",))
    made.prepare()
    config = folder / "orchestrator" / "tabard.yaml"
    settings = yaml.safe_load(config.read_text())
    settings["audit"] = {"sink": "stdout"}
    config.write_text(yaml.safe_dump(settings))
    return made


@contextlib.asynccontextmanager
async def serving(zone, stdout, *, able=True):
    command = [sys.executable, "-m", "tabard_sidecar.cli", "serve", "--config"]
    process = subprocess.Popen(  # noqa: ASYNC220 - returns at once; a pipe that asyncio doesn't read
        [*command, str(zone.folder / "orchestrator" / "tabard.yaml")],
        stdout=stdout,
        stderr=subprocess.DEVNULL,
    )
    try:
        await eventually(lambda: ready(zone) if able else alive(zone))
        async with tabard.aio.connect(zone.sidecars["orchestrator"].address) as client:
            yield process, client
    finally:
        process.kill()
        process.wait()


async def ready(zone):
    with contextlib.suppress(OSError):
        status, _ = await http_get(zone.sidecars["orchestrator"].http, "/readyz")
        return status == 200


async def alive(zone):
    with contextlib.suppress(OSError):
        _, body = await http_get(zone.sidecars["orchestrator"].http, "/healthz")
        return b"degraded" in body


async def start(zone, client):
    return await client.start_task(
        zone.issuer.access_token("p"), intent_token=zone.intent("refunds", "Do it.", subject="p")
    )


async def test_a_slow_reader_denies_until_it_reads(zone):
    """Noise fills the pipe; the call after it isn't allowed without its record; reading makes the sidecar ready again."""
    async with serving(zone, subprocess.PIPE) as (process, client):
        task = await start(zone, client)
        with pytest.raises(tabard.Unavailable) as caught:
            await fill(task)
        assert caught.value.code == "audit_unavailable"
        with pytest.raises(tabard.Unavailable):
            await task.authorize(*READ)
        assert not await ready(zone)
        os.set_blocking(process.stdout.fileno(), False)

        async def drained():
            with contextlib.suppress(BlockingIOError):
                os.read(process.stdout.fileno(), 1 << 20)
            return await ready(zone)

        await eventually(drained)
        assert (await task.authorize(*READ)).allowed
        process.stdout.close()


async def fill(task):
    for _ in range(100):
        with contextlib.suppress(tabard.Denied):
            await task.authorize("tickets.read", {"ticket_id": "x" * 20_000})


async def test_a_full_device_denies(zone):
    """Nothing is allowed, not even a task."""
    with Path("/dev/full").open("wb") as full:  # noqa: ASYNC230 - opens at once
        async with serving(zone, full, able=False) as (_, client):
            with pytest.raises(tabard.Unavailable) as caught:
                await start(zone, client)
            assert caught.value.code == "audit_unavailable"
            await asyncio.sleep(0)
            assert not await ready(zone)
