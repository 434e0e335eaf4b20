"""Changes on disk are followed, or told: catalogue and policy in one volume, and the configuration."""

from __future__ import annotations

import json
import shutil
import signal

import pytest
import tabard
import yaml
from tabard_sidecar.config import load
from tabard_sidecar.server.lifecycle import sidecar
from tabard_sidecar.server.reloading import differences

from testbed.world import EXAMPLE
from tests.support.apart import Apart
from tests.support.waiting import eventually
from tests.support.zone import Zone

READ = ("tickets.read", {"ticket_id": "t-1"})
NEW_RULE = """
package policy.extra

# description: The new tool.
grant contains {"code": "extra"} if input.tool.name == "tickets.count"
"""


def volume(folder):
    """Lay out a ConfigMap volume as the kubelet does, with the example's policy and catalogue."""
    first = folder / "volume" / "..1"
    shutil.copytree(EXAMPLE / "policy", first / "policy")
    shutil.copy(EXAMPLE / "catalogue.yaml", first / "catalogue.yaml")
    (folder / "volume" / "..data").symlink_to("..1")
    for name in ("policy", "catalogue.yaml"):
        (folder / "volume" / name).symlink_to(f"..data/{name}")
    return folder / "volume"


def swap(place, change):
    """Replace the volume's contents in one step."""
    number = int((place / "..data").readlink().name.removeprefix("..")) + 1
    shutil.copytree(place / "..data", place / f"..{number}")
    change(place / f"..{number}")
    (place / "..new").symlink_to(f"..{number}")
    (place / "..new").rename(place / "..data")


async def test_a_catalogue_in_a_volume_is_followed_like_the_policy(folder):
    """Swapped together, they come into use together; a broken one leaves the last good one and is told."""
    place = volume(folder)
    zone = Zone(
        folder,
        workloads=("orchestrator",),
        overrides={"policy.path": str(place / "policy"), "catalogue.path": str(place / "catalogue.yaml")},
    )
    async with zone:
        one, task = zone.running["orchestrator"], await zone.start_task()
        extra = ("tickets.count", {"id": 1})
        assert (await task.decide(tabard.ToolCall(*extra))).code == "tool_unknown"

        def both(new):
            catalogue = yaml.safe_load((new / "catalogue.yaml").read_text())
            schema = {"type": "object", "properties": {"id": {"type": "integer"}}}
            catalogue["tools"].append({"name": "tickets.count", "inputSchema": schema})
            (new / "catalogue.yaml").write_text(yaml.safe_dump(catalogue))
            (new / "policy" / "extra.rego").write_text(NEW_RULE)

        seen = []
        one.health.subscribe(lambda snapshot: seen.extend(snapshot.reasons))
        swap(place, both)
        await eventually(lambda: _code(task, extra, "extra"))
        assert seen == []
        swap(place, lambda new: (new / "catalogue.yaml").write_text("tools: {"))
        await eventually(lambda: "catalogue: " in " ".join(one.health.snapshot().reasons))
        assert one.health.snapshot().ready
        assert await _code(task, extra, "extra")
        swap(place, both_again(place))
        await eventually(lambda: not one.health.snapshot().reasons)


def both_again(place):
    """Return what writes the catalogue of the second swap again."""
    good = (place / "..2" / "catalogue.yaml").read_text()
    return lambda new: (new / "catalogue.yaml").write_text(good)


async def _code(task, call, code):
    return (await task.decide(tabard.ToolCall(*call))).code == code


async def test_a_reload_tells_which_settings_need_a_restart(folder):
    """Keys of settings, no values; a file with mistakes is told, too; the old configuration again is well."""
    zone = Zone(folder, workloads=("orchestrator",))
    zone.prepare()
    file = folder / "orchestrator" / "tabard.yaml"
    before = file.read_text()
    async with sidecar(load(file).settings, config=file, reread=lambda: load(file).settings) as one:

        async def reloaded(text):
            file.write_text(text)
            await one.reload()
            snapshot = one.health.snapshot()
            assert snapshot.ready
            return " ".join(snapshot.reasons)

        changed = await reloaded(before + "limits: {max_in_flight: 7, drain_seconds: 3}\n")
        assert changed.startswith("configuration: restart the sidecar")
        assert sorted(changed.split(": ")[-1].split(", ")) == ["limits.drain_seconds", "limits.max_in_flight"]
        assert "unknown key" in await reloaded(before + "nonsense: 1\n")
        assert await reloaded(before) == ""
        await zone.stop()


async def test_sighup_tells_in_the_log(folder):
    """As an operator sees it who edits tabard.yaml and sends the signal."""
    async with Apart(folder, workloads=("orchestrator",)) as zone:
        file = folder / "orchestrator" / "tabard.yaml"
        file.write_text(file.read_text() + "telemetry: {log_level: debug}\n")
        zone.sidecars["orchestrator"].process.send_signal(signal.SIGHUP)
        reasons = await eventually(lambda: _reasons(zone))
        assert "telemetry.log_level" in reasons[0]
        assert "configuration not reloaded" in await zone.end()


async def _reasons(zone):
    return (await zone.details())["reasons"]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({}, {}, []),
        ({"zone": "a"}, {"zone": "b"}, ["zone"]),
        ({"limits": {"max_in_flight": 1}}, {}, ["limits.max_in_flight"]),
        ({}, {"state": {"redis": {"replicas": 1}}}, ["state.redis.replicas"]),
        ({}, {"audit": {"keep_days": 3}, "zone": "z"}, ["audit.keep_days", "zone"]),
    ],
)
def test_differences(tmp_path, one, other, expected):
    """By dotted key, at any depth."""
    settings = []
    for document in (one, other):
        (tmp_path / "t.yaml").write_text(json.dumps(document))
        settings.append(load(tmp_path / "t.yaml", environment={}).settings)
    assert sorted(differences(*settings)) == expected
