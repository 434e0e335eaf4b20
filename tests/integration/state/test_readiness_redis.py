"""A sidecar is ready only while its zone's Redis takes writes: gone, stuck, full, or a replica."""

from __future__ import annotations

import asyncio

import pytest
import tabard

from tests.support.spending import POLICY, pay
from tests.support.waiting import eventually


def full(server):
    server.cli("CONFIG", "SET", "maxmemory", "1")


def emptied(server):
    server.cli("CONFIG", "SET", "maxmemory", "0")


def demoted(server):
    server.cli("REPLICAOF", "127.0.0.1", "1")


def promoted(server):
    server.cli("REPLICAOF", "NO", "ONE")


FAULTS = {
    "killed": (lambda server: server.kill(), lambda server: server.start(), "state store"),
    "paused": (lambda server: server.pause(), lambda server: server.resume(), "no answer within"),
    "full": (full, emptied, "it is full"),
    "replica": (demoted, promoted, "read-only replica"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_not_ready_while_the_server_takes_no_writes(start_server, start_zone, caplog, fault):
    """Noticed without a call, with one line in the log; ready again as soon as it is."""
    breaks, mends, text = FAULTS[fault]
    server = start_server()
    zone = await start_zone(policy=POLICY, overrides={"state.url": server.url}, workloads=("orchestrator",))
    health = zone.running["orchestrator"].health
    task = await zone.start_task()
    await pay(task, 10)
    breaks(server)
    await eventually(lambda: not health.snapshot().ready)
    assert text in " ".join(health.snapshot().reasons)
    for _ in range(3):
        with pytest.raises(tabard.Unavailable):
            await pay(task, 10)
    assert not health.snapshot().ready
    await asyncio.to_thread(mends, server)
    await eventually(lambda: health.snapshot().ready)
    await pay(task, 10)
    assert [record.message for record in caplog.records].count("state store can't be used") == 1
