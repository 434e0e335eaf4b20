"""`tabard log tail` and `tabard log stats` on logs that a real sidecar writes."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from contextlib import suppress

import pytest
import tabard
from tabard_sidecar.cli import main
from tabard_sidecar.cli.log_stats import MOST_GROUPS, OTHERS, Counts

from testbed.world import PERSON
from tests.support.waiting import eventually

SOURCE = """
package policy.desk

start contains {"code": "task", "limits": {"tools": ["*"]}}

grant contains {"code": "read"} if input.tool.name == "read"

deny contains {"code": "never", "message": "Never."} if input.tool.name == "wipe"
"""


@pytest.fixture
async def zone(start_zone):
    """One sidecar, whose log is closed early."""
    overrides = {"audit.max_bytes": 64 * 1024}
    return await start_zone(policy={"desk.rego": SOURCE}, workloads=("orchestrator",), overrides=overrides)


@pytest.fixture
def log(zone):
    """Its log."""
    return zone.sidecars["orchestrator"].folder / "decisions.log"


@pytest.fixture
def stats(zone, capsys):
    """Counts; returns the exit code and what is printed."""
    config = str(zone.sidecars["orchestrator"].folder / "tabard.yaml")

    async def command(*arguments, as_json=True):
        options = ("--config", config, *(("--json",) if as_json else ()))
        code = await asyncio.to_thread(main, ["log", "stats", *map(str, arguments), *options])
        out = capsys.readouterr().out
        return code, json.loads(out) if as_json else out

    return command


async def call(task, *tools):
    """Call each tool, whatever is decided."""
    for tool in tools:
        with suppress(tabard.Denied):
            await task.authorize(tool, {})


async def test_groups_by_what_is_asked_for(zone, stats):
    """Each decision counts once, in its group, with its effect; filters choose."""
    task = await zone.start_task()
    await call(task, "read", "read", "wipe", "other")
    code, found = await stats("--by", "tool")
    assert code == 0
    assert {(one["tool"], one["count"]) for one in found["groups"]} == {
        ("read", 2),
        ("wipe", 1),
        ("other", 1),
        ("-", 1),
    }
    assert found["effects"] == {"allow": 3, "deny": 2}
    _, found = await stats("--by", "rule", "--by", "person", "--effect", "deny")
    assert [(one["rule"], one["person"], one["effects"]) for one in found["groups"]] == [
        ("desk.never", PERSON, {"deny": 1}),
        ("no_grant", PERSON, {"deny": 1}),
    ]
    _, found = await stats("--by", "day")
    assert sum(one["count"] for one in found["groups"]) == 5
    _, found = await stats("--by", "tool", "--top", "1")
    assert (len(found["groups"]), found["more_groups"]) == (1, 3)
    code, _ = await stats("--person", "nobody")
    assert code == 1
    _, shown = await stats("--by", "code", as_json=False)
    assert shown.splitlines()[1].split() == ["code", "count", "allow", "deny"]
    assert ["never", "1", "0", "1"] in [line.split() for line in shown.splitlines()]


async def test_compressed_logs_are_read(zone, log, stats, folder, capsys):
    """By search, show and stats alike."""
    task = await zone.start_task()
    decision = await task.authorize("read", {})
    packed = folder / "old.jsonl.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    _, found = await stats(packed, "--by", "tool")
    assert found["count"] == 2
    config = ("--config", str(log.with_name("tabard.yaml")))
    for command in (["query", str(packed), "--tool", "read"], ["show", decision.decision_id, str(packed)]):
        assert await asyncio.to_thread(main, ["log", *command, "--json", *config]) == 0
        assert json.loads(capsys.readouterr().out)["decision_id"] == decision.decision_id


def test_groups_are_bounded():
    """Beyond the bound everything counts in one group."""
    counts = Counts(("tool",))
    shown = {"time": "2026-01-31T08:00:00Z", "effect": "allow", "rules": []}
    for number in range(MOST_GROUPS + 10):
        counts.add(shown | {"tool": f"t{number}"})
    assert len(counts.groups) == MOST_GROUPS + 1
    assert counts.groups[OTHERS,]["allow"] == 10
    assert counts.as_json(5)["count"] == MOST_GROUPS + 10


class Tail:
    """A running `tabard log tail --json`."""

    def __init__(self, process) -> None:
        self.process = process
        self.ids: list[str] = []

    async def read(self):
        """Collect what is printed."""
        async for line in self.process.stdout:
            self.ids.append(json.loads(line)["decision_id"])


@pytest.fixture
async def tail(log):
    """Starts `tabard log tail`; it ends with the test."""
    started = []

    async def start(*arguments):
        command = [
            sys.executable,
            "-m",
            "tabard_sidecar.cli",
            "log",
            "tail",
            str(log),
            "--json",
            "--interval",
            "0.05",
        ]
        process = await asyncio.create_subprocess_exec(*command, *arguments, stdout=asyncio.subprocess.PIPE)
        found = Tail(process)
        started.append((process, asyncio.create_task(found.read())))
        return found

    yield start
    for process, reading in started:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


async def test_the_last_ones_and_what_comes(zone, tail):
    """First those that are there, then each decision once its outcome is recorded; filters choose."""
    task = await zone.start_task()
    ids = [(await task.authorize("read", {})).decision_id for _ in range(5)]
    found = await tail("--lines", "2", "--tool", "read")
    await eventually(lambda: found.ids == ids[-2:])
    await call(task, "wipe")
    ids.append((await task.authorize("read", {})).decision_id)
    await eventually(lambda: found.ids == ids[-3:])


async def test_a_log_that_is_closed_meanwhile_is_followed(zone, log, tail):
    """Nothing is missed and nothing told twice, over several files."""
    task = await zone.start_task()
    first = (await task.authorize("read", {})).decision_id
    found = await tail("--lines", "1000", "--tool", "read")
    await eventually(lambda: found.ids == [first])
    ids = [(await task.authorize("read", {"text": "x" * 4000})).decision_id for _ in range(60)]
    await eventually(lambda: len(found.ids) > 60)
    assert found.ids == [first, *ids]
    assert len(list(log.parent.glob("decisions.log.*"))) >= 2


async def test_it_ends_when_its_time_is_over(zone, tail):
    """With what there is."""
    await zone.start_task()
    found = await tail("--seconds", "0.5")
    assert await asyncio.wait_for(found.process.wait(), 30) == 0
    await eventually(lambda: len(found.ids) == 1)
