"""Rules are tried with the data of the time, which may differ from revision to revision."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest
import tabard
from tabard_sidecar.cli import main

from tests.unit.replay.conftest import zone_at

_RULES = """package policy.desk

start contains {"code": "task", "limits": {"tools": ["*"]}}

grant contains {"code": "pay"} if {
	input.tool.name == "pay"
	input.tool.arguments.n <= data.limits.most
}
"""


def policy_at(folder, most: int, rules: str = _RULES):
    """Write a policy with its data."""
    folder.mkdir()
    (folder / "desk.rego").write_text(rules)
    (folder / "data.json").write_text(json.dumps({"limits": {"most": most}}))
    return folder


@pytest.fixture
async def logged(folder):
    """Calls of 0 to 9, decided first with 3 and then with 6 as the most."""
    old, new = (policy_at(folder / name, most) for name, most in (("three", 3), ("six", 6)))
    zone = zone_at(folder / "zone", _RULES)
    zone.policy.mkdir()
    (zone.policy / "data.json").write_bytes((old / "data.json").read_bytes())
    async with zone:
        task = await zone.start_task()
        for source in (old, new):
            (zone.policy / "data.json").write_bytes((source / "data.json").read_bytes())
            await zone.parts().policy.reload()
            for number in range(10):
                with suppress(tabard.Denied):
                    await task.authorize("pay", {"n": number})
        return [zone.sidecars["orchestrator"].logs[0]], old, new


async def replayed(capsys, logs, *options):
    """Replay; the report."""
    await asyncio.to_thread(main, ["replay", *map(str, logs), *map(str, options), "--json"])
    return json.loads(capsys.readouterr().out)


async def test_rules_are_compared_on_the_data_of_the_time(logged, folder, capsys):
    """By its own data each policy changes what the other decided; by that of each revision nothing changes."""
    logs, old, new = logged
    assert (await replayed(capsys, logs, "--policy", old))["changes"]["newly_denied"] == 3
    assert (await replayed(capsys, logs, "--policy", new))["changes"]["newly_allowed"] == 3
    same = await replayed(capsys, logs, "--policy", new, "--data", old, "--data", new)
    assert (same["changed"], same["not_replayable"]) == (0, {})


async def test_the_data_of_one_policy_is_for_all_decisions(logged, capsys):
    logs, old, new = logged
    by_old = await replayed(capsys, logs, "--policy", new, "--data", old)
    assert by_old["changes"] == (await replayed(capsys, logs, "--policy", old))["changes"]


async def test_a_decision_whose_data_is_not_there_is_counted(logged, folder, capsys):
    """And decided as it was."""
    logs, old, _ = logged
    other = policy_at(folder / "other", 9)
    report = await replayed(capsys, logs, "--policy", old, "--data", old, "--data", other)
    assert report["not_replayable"] == {"missing_data": 10}
    assert report["changed"] == 0
