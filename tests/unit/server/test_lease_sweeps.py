"""Sweeps of what is revoked and still noted go on whatever comes of one, and keep nothing else waiting."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.health import Health
from tabard_sidecar.revocation.unended import UnendedLeases
from tabard_sidecar.server import lease_sweeps
from tabard_sidecar.state import Revocation, RevocationKind
from tabard_sidecar.state.sqlite import SQLiteStateStore

from tests.contracts.state.leases import lease
from tests.support.waiting import eventually

NOW = 1_800_000_000.0


def ending(sweep=None):
    """What ends leases of the vault `main`, and can't end those of `endless`."""

    async def nothing():
        return None

    obstacles = {"main": "", "endless": "this one has no vault.endless.reaper"}
    return SimpleNamespace(sweep=sweep or nothing, obstacle=lambda lease: obstacles.get(lease.source))


@pytest.fixture
async def parts(tmp_path):
    """As much of a sidecar as sweeps need."""
    store = SQLiteStateStore(tmp_path / "state.db", zone="z")
    await store.open()
    yield SimpleNamespace(
        state=store,
        clock=lambda: NOW,
        health=Health(),
        endings=[],
    )
    await store.close()


@pytest.mark.parametrize(
    "failure", [None, NoDecision("UNAVAILABLE", "state_unavailable", "x"), RuntimeError("2 not ended")]
)
async def test_leases_of_killed_sidecars_are_swept_whatever_comes_of_it(parts, monkeypatch, failure):
    """A vault that doesn't answer is told by health, and asked again."""
    monkeypatch.setattr(lease_sweeps, "_SECONDS", 0.01)
    swept = []

    async def sweep():
        swept.append(1)
        if failure is not None:
            raise failure

    parts.endings = [ending(sweep)]
    keeping = asyncio.create_task(lease_sweeps.sweep_leases(parts))
    try:
        await eventually(lambda: len(swept) > 1)
        told = parts.health.snapshot().components
        reason = told["leases"].reason if "leases" in told else ""
        assert reason == (str(failure) if isinstance(failure, RuntimeError) else "")
    finally:
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("main", ""),
        ("renamed", "and this one has no section vault.renamed"),
        ("endless", "and this one has no vault.endless.reaper"),
    ],
)
async def test_revoked_leases_that_nothing_ends_are_told(parts, monkeypatch, caplog, source, told):
    """After a section was renamed no sidecar can end them, and without an identity for that neither."""
    monkeypatch.setattr(lease_sweeps, "_SECONDS", 0.01)
    parts.endings = [ending()]
    made = lease(source=source, task_started_at=NOW - 90, created_at=NOW - 60, expires_at=NOW + 600)
    await parts.state.add_lease(made)
    await parts.state.revoke(Revocation(RevocationKind.AGENT, made.holder, NOW, NOW + 600, ("reason",)))
    sweeping = asyncio.create_task(lease_sweeps.sweep_leases(parts))

    def reason():
        components = parts.health.snapshot().components
        return components["leases"].reason if "leases" in components else None

    try:
        await eventually(lambda: reason() if told else reason() == "")
        await asyncio.sleep(0.1)
        assert told in reason()
        assert bool(reason()) is bool(told)
        assert ("leases_that_nothing_ends" in caplog.text) is bool(told)
    finally:
        sweeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sweeping


async def test_what_its_sidecar_ends_right_now_is_no_problem(parts):
    """Only what is there twice in a row is."""
    made = lease(source="endless", task_started_at=NOW - 90, created_at=NOW - 60, expires_at=NOW + 600)
    unended = UnendedLeases(parts.state, ending().obstacle)
    await parts.state.revoke(Revocation(RevocationKind.AGENT, made.holder, NOW, NOW + 600, ("reason",)))
    for name in ("one", "two"):
        await parts.state.add_lease(replace(made, lease_id=name))
        assert await unended.problems(now=NOW) == []
        await parts.state.end_lease(name)
    await parts.state.add_lease(made)
    assert await unended.problems(now=NOW) == []
    assert len(await unended.problems(now=NOW)) == 1


async def test_one_kind_of_server_that_hangs_keeps_no_other_from_its_sweep(parts, monkeypatch):
    monkeypatch.setattr(lease_sweeps, "_SECONDS", 0.01)
    swept = asyncio.Event()

    async def hang():
        await asyncio.Event().wait()

    async def sweep():
        swept.set()

    parts.endings = [ending(hang), ending(sweep)]
    keeping = asyncio.create_task(lease_sweeps.sweep_leases(parts))
    try:
        async with asyncio.timeout(60):
            await swept.wait()
    finally:
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping


async def test_an_unexpected_error_is_told_and_sweeps_go_on(parts, monkeypatch, caplog):
    monkeypatch.setattr(lease_sweeps, "_SECONDS", 0.01)
    parts.state.revoked_leases = None
    keeping = asyncio.create_task(lease_sweeps.sweep_leases(parts))
    try:
        await eventually(lambda: "leases" in parts.health.snapshot().components)
        assert "can't be swept" in parts.health.snapshot().components["leases"].reason
        assert "lease_sweep_failed" in caplog.text
        del parts.state.revoked_leases
        await eventually(lambda: not parts.health.snapshot().components["leases"].reason)
    finally:
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
