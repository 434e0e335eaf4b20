"""Forgetting what has expired, while the sidecar serves."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.health import Health
from tabard_sidecar.server import housekeeping
from tabard_sidecar.state import Revocation, RevocationKind
from tabard_sidecar.state.sqlite import SQLiteStateStore

from tests.contracts.state.leases import lease
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
        endings=[],
        settings=SimpleNamespace(vault={"main": None}, exchange={}),
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


@pytest.mark.parametrize(
    "failure", [None, NoDecision("UNAVAILABLE", "state_unavailable", "x"), RuntimeError("2 not ended")]
)
async def test_leases_of_killed_sidecars_are_swept_whatever_comes_of_it(parts, monkeypatch, failure):
    """A vault that doesn't answer is told by health, and asked again."""
    monkeypatch.setattr(housekeeping, "_SECONDS", 0.01)
    swept = []

    async def sweep():
        swept.append(1)
        if failure is not None:
            raise failure

    parts.endings = [SimpleNamespace(sweep=sweep)]
    keeping = asyncio.create_task(housekeeping.housekeeping(parts))
    try:
        await eventually(lambda: len(swept) > 1)
        told = parts.health.snapshot().components
        reason = told["leases"].reason if "leases" in told else ""
        assert reason == (str(failure) if isinstance(failure, RuntimeError) else "")
    finally:
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping


@pytest.mark.parametrize(("source", "told"), [("main", False), ("renamed", True)])
async def test_revoked_leases_of_a_vault_that_no_section_names_are_told(
    parts, monkeypatch, caplog, source, told
):
    """After a section was renamed no sidecar can end them."""
    monkeypatch.setattr(housekeeping, "_SECONDS", 0.01)
    made = lease(source=source, task_started_at=NOW - 90, created_at=NOW - 60, expires_at=NOW + 600)
    await parts.state.add_lease(made)
    await parts.state.revoke(Revocation(RevocationKind.AGENT, made.holder, NOW, NOW + 600, ("reason",)))
    keeping = asyncio.create_task(housekeeping.housekeeping(parts))
    try:
        await eventually(lambda: "leases" in parts.health.snapshot().components)
        reason = parts.health.snapshot().components["leases"].reason
        assert ("this one has no section vault.renamed" in reason) is told
        assert ("leases_of_an_unknown_vault" in caplog.text) is told
    finally:
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
