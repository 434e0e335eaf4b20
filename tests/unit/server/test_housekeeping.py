"""Forgetting what has expired, while the sidecar serves."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from tabard_sidecar.health import Health
from tabard_sidecar.server import housekeeping
from tabard_sidecar.state.sqlite import SQLiteStateStore

from tests.support.waiting import eventually

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
        clock_watch=SimpleNamespace(steady=lambda: True),
        health=Health(),
        log=SimpleNamespace(tidy=tidy),
    )
    await store.close()


async def tidy():
    """Stand for the decision log, which has tests of its own."""


async def test_one_round_forgets_whatever_has_expired(parts):
    """Agents say how many requests are remembered, so there may be any number."""
    for number in range(ROWS):
        await parts.state.claim_request(b"%d" % number, b"b", now=NOW - 20_000, expires_at=NOW - 10_000)
    await housekeeping.expire(parts)
    assert await parts.state.expire(now=NOW) == 0


async def test_housekeeping_survives_an_unexpected_error(parts, monkeypatch, caplog):
    """Health and the log say that something is wrong; once it works again, health is well."""
    monkeypatch.setattr(housekeeping, "_SECONDS", 0.01)
    repaired = asyncio.Event()

    async def broken(*, now):
        if not repaired.is_set():
            raise TypeError("surprise")
        return 0

    def problems():
        return parts.health.snapshot().reasons

    parts.state.expire = broken
    parts.health.component("policy").ok()
    keeping = asyncio.create_task(housekeeping.housekeeping(parts))
    try:
        await eventually(problems)
        assert problems() == ["housekeeping: expired rows can't be deleted; the log has details"]
        (record, *_) = caplog.records
        assert (record.message, str(record.exc_info[1])) == ("housekeeping_failed", "surprise")
        repaired.set()
        await eventually(lambda: not problems())
    finally:
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping


async def test_nothing_is_deleted_by_a_clock_that_jumped(parts, monkeypatch):
    """A used token is new again if its use is deleted and the clock comes back."""
    monkeypatch.setattr(housekeeping, "_SECONDS", 0.01)
    steady, deleted = False, []
    delete = parts.state.expire

    async def expire(*, now):
        deleted.append(await delete(now=now))
        return deleted[-1]

    parts.state.expire = expire
    parts.clock_watch.steady = lambda: steady
    await parts.state.consume("token", limit=1, now=NOW - 90_000, expires_at=NOW - 80_000)
    keeping = asyncio.create_task(housekeeping.housekeeping(parts))

    async def used_up():
        return not await parts.state.consume("token", limit=1, now=NOW - 90_000, expires_at=NOW - 80_000)

    try:
        await asyncio.sleep(0.2)
        assert await used_up()
        steady = True
        await eventually(lambda: deleted)
        assert not await used_up()
    finally:
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
