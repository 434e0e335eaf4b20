"""Two sidecars of one zone with different state stores: noticed with the first grant that one hands to the other."""

from __future__ import annotations

import pytest
import tabard
from tabard_sidecar.health import Health, State
from tabard_sidecar.server import store_split
from tabard_sidecar.server.store_split import CLOCKS_SECONDS, StoreSplit

from tests.support.zone import Zone

READ = ("tickets.read", {"ticket_id": "t-1"})


class SplitZone(Zone):
    """Each sidecar has a store of its own."""

    def config(self, sidecar):
        found = super().config(sidecar)
        found["state"]["url"] = f"sqlite://{self.folder}/{sidecar.workload}.db"
        return found


def zone_health(zone, workload):
    return zone.parts(workload).health.snapshot().components["zone"]


async def test_a_grant_from_another_store_is_refused_and_told(folder, monkeypatch, caplog):
    """Also in the log, without a flood; both sidecars stay ready for what is theirs."""
    monkeypatch.setattr(store_split, "CLOCKS_SECONDS", 0.0)
    async with SplitZone(folder) as zone:
        task = await zone.start_task()
        handed = await zone.hand_to(task, "triage")
        for _ in range(3):
            with pytest.raises(tabard.Denied, match="task_unknown"):
                await handed.authorize(*READ)
        report = zone_health(zone, "triage")
        assert report.state is State.DEGRADED
        assert f"{folder}/triage.db" in report.reason
        assert "set the same state.url" in report.reason
        assert zone_health(zone, "orchestrator").state is State.OK
        assert zone.parts("triage").health.snapshot().ready
        assert caplog.text.count("uses another state store") == 1


async def test_sidecars_on_one_store_are_well(start_zone):
    zone = await start_zone()
    handed = await zone.hand_to(await zone.start_task(), "triage")
    await handed.authorize(*READ)
    for workload in ("orchestrator", "triage"):
        assert zone_health(zone, workload).state is State.OK


def test_what_began_before_or_about_when_this_sidecar_did_says_nothing(monkeypatch):
    """An emptied store, and clocks that differ, look alike then. A split is told until nothing of it was seen for a while."""
    health, at = Health(), [0.0]
    monkeypatch.setattr(store_split, "monotonic", lambda: at[0])
    split = StoreSplit(health.component("zone"), lambda: 1000.0, "sqlite:a")
    split.look()
    for started_at in (0.0, 1000.0, 1000.0 + CLOCKS_SECONDS):
        split.unknown(started_at)
        assert health.snapshot().components["zone"].state is State.OK
    split.unknown(1001.0 + CLOCKS_SECONDS)
    at[0] = 500.0
    split.look()
    assert health.snapshot().components["zone"].state is State.DEGRADED
    at[0] = 700.0
    split.look()
    assert health.snapshot().components["zone"].state is State.OK
