"""A disk that is full, with state and decision log on it. Root only: it mounts."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

import pytest
import tabard

from tests.support.apart import Apart
from tests.support.waiting import eventually

READ = ("tickets.read", {"ticket_id": "t-1"})


@pytest.fixture
def disk(folder):
    """A file system of four megabytes."""
    place = folder / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tabard-test", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def fill(disk):
    """Leave no space."""
    with (disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(4096))
    assert os.statvfs(disk).f_bfree == 0


async def test_not_ready_while_it_is_full(folder, disk):
    """Noticed without a call; told once in the log, with the place; over as soon as there is space."""
    overrides = {
        "state.url": f"sqlite://{disk}/state/zone.db",
        "audit": {"sink": "file", "path": str(disk / "decisions.log")},
    }
    async with Apart(folder, workloads=("orchestrator",), overrides=overrides) as zone:
        client = zone.agent("orchestrator")

        async def call():
            token = zone.issuer.access_token("p")
            task = await client.start_task(token, intent_token=zone.intent("refunds", "x", "p"))
            return (await task.decide(tabard.ToolCall(*READ))).decision_id

        assert await call()
        fill(disk)
        await eventually(zone.not_ready)
        reasons = " ".join((await zone.details())["reasons"])
        assert "free space" in reasons
        for _ in range(5):
            with pytest.raises(tabard.Unavailable):
                await call()
        (disk / "ballast").unlink()
        await eventually(zone.ready)
        assert await call()
        events = await zone.end()
    for event in ("state store can't be used", "decision log broken", "state store works again"):
        assert events.count(event) == 1, (event, events)
