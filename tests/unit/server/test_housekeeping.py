"""Forgetting what has expired, while the sidecar serves."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from tabard_sidecar.health import Health
from tabard_sidecar.server import lifecycle
from tabard_sidecar.state.sqlite import SQLiteStateStore

NOW = 1_800_000_000.0
ROWS = 5_000


@pytest.fixture
async def parts(tmp_path):
    """As much of a sidecar as housekeeping needs."""
    store = SQLiteStateStore(tmp_path / "state.db", zone="z")
    await store.open()
    yield SimpleNamespace(
        state=store,
        clock=lambda: NOW,
        health=Health(),
        keyring=SimpleNamespace(problems=()),
        identity=SimpleNamespace(agent=SimpleNamespace(problem="")),
    )
    await store.close()


async def test_one_round_forgets_whatever_has_expired(parts):
    """Agents say how many requests are remembered, so there may be any number."""
    for number in range(ROWS):
        await parts.state.claim_request(b"%d" % number, b"b", now=NOW - 20_000, expires_at=NOW - 10_000)
    await lifecycle._expire(parts)
    assert await parts.state.expire(now=NOW) == 0


async def test_housekeeping_survives_what_nobody_thought_of(parts, monkeypatch):
    """It says that something is wrong and goes on."""
    monkeypatch.setattr(lifecycle, "_HOUSEKEEPING_SECONDS", 0.01)
    calls = []
    again = asyncio.Event()

    async def broken(*, now):
        calls.append(now)
        if len(calls) == 1:
            raise TypeError("surprise")
        again.set()
        return 0

    parts.state.expire = broken
    keeping = asyncio.create_task(lifecycle._housekeeping(parts))
    try:
        async with asyncio.timeout(10):
            await again.wait()
    finally:
        await lifecycle._cancelled(keeping)
