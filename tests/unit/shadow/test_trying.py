"""A candidate policy decides what the sidecar decides, says what it would have decided otherwise, and changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal

import pytest
import tabard as sdk
from tabard.authz.v1 import shadow_service_pb2 as pb
from tabard_sidecar.interfaces import DecisionRecord

from tests.support.waiting import eventually
from tests.unit.replay.scripts import play, policy, script
from tests.unit.shadow.conftest import LIVE, STRICT

RUNAWAY = (
    STRICT
    + """
deny contains {"code": "slow", "message": "never"} if {
	input.tool.name == "read"
	some a in numbers.range(1, 20000)
	some b in numbers.range(1, 20000)
	a * b == -1
}
"""
)

GROWING = (
    STRICT
    + """
deny contains {"code": "large", "message": "never"} if {
	input.tool.name == "read"
	count([[a, b] | some a in numbers.range(1, 20000); some b in numbers.range(1, 20000)]) == -1
}
"""
)


async def pay(task, *amounts):
    """Pay each amount; return whether it was allowed."""
    found = []
    for amount in amounts:
        try:
            await task.authorize("pay", {"n": amount})
        except sdk.Denied:
            found.append(False)
        else:
            found.append(True)
    return found


async def test_differences_are_recorded_counted_and_listed(trying):
    """Under the live policy all three are paid. The candidate would have refused the second."""
    zone = await trying()
    task = await zone.zone.start_task()
    assert await pay(task, 5, 40, 6) == [True, True, True]
    status = await zone.decided(4)
    assert (status.changed, {k: v for k, v in status.changes.items() if v}) == (1, {"newly_denied": 1})
    await eventually(lambda: len(zone.differences()) == 1)
    record = zone.differences()[0]
    decided = next(
        one
        for one in zone.records()
        if one["decision_id"] == record["decision_id"] and one["event"] == "outcome"
    )
    assert record["input"]["tool"]["name"] == "pay"
    assert record["operation"] == "authorize"
    assert record["result"]["changes"] == ["newly_denied"]
    assert record["result"]["before"]["effect"] == "allow"
    assert record["result"]["now"] == {"effect": "deny", "reasons": ["no_grant"]}
    assert record["result"]["candidate"] == status.revision
    assert record["bundles"] == decided["bundles"]
    listed = await zone.ask("ListShadowChanges", pb.ListShadowChangesRequest())
    assert (listed.decided, listed.changed, len(listed.groups)) == (4, 1, 1)
    group = listed.groups[0]
    assert (group.change, group.tool, list(group.rules), group.count) == (
        "newly_denied",
        "pay",
        ["no_grant"],
        1,
    )
    assert group.examples[0].decision_id == record["decision_id"]
    metrics = zone.zone.parts("orchestrator").metrics
    assert metrics.shadow_decisions.labels("newly_denied")._value.get() == 1
    assert metrics.shadow_decisions.labels("same")._value.get() == 3


async def test_the_candidate_has_budgets_of_its_own(trying):
    """It grants more money and so exhausts the budget that the live policy doesn't."""
    zone = await trying(LIVE, live=STRICT)
    task = await zone.zone.start_task()
    assert await pay(task, 40, 40, 10, 10, 10) == [False, False, True, True, True]
    status = await zone.decided(6)
    changes = {name: count for name, count in status.changes.items() if count}
    assert changes == {"newly_allowed": 2, "newly_denied": 1}
    listed = await zone.ask("ListShadowChanges", pb.ListShadowChangesRequest())
    denied = next(group for group in listed.groups if group.change == "newly_denied")
    assert (list(denied.rules), denied.by_state) == (["budget_exhausted"], 1)


@pytest.mark.parametrize("seed", range(3))
async def test_it_says_live_what_a_replay_says_afterwards(trying, tabard, folder, seed):
    """Whatever the policies and the calls are, on the same sidecar's log."""
    rng = random.Random(seed)
    live, candidate, calls = policy(rng), policy(rng), script(rng, 40)
    roles = {"finance": {"claim": "groups", "value": "finance"}}
    zone = await trying(
        candidate, live=live, workloads=("orchestrator", "triage"), **{"approvals.roles": roles}
    )
    await play(zone.zone, calls)
    log = zone.zone.sidecars["orchestrator"].folder / "decisions.log"
    config = str(zone.zone.sidecars["orchestrator"].folder / "tabard.yaml")
    options = ("--policy", str(folder / "candidate"), "--config", config, "--jobs", "1", "--json")
    _, shown, _ = await tabard("replay", str(log), *options)
    replayed = json.loads(shown)
    status = await zone.decided(replayed["decided"])
    assert replayed["decided"] > 10
    assert status.decided == replayed["decided"]
    assert dict(status.changes) == replayed["changes"]
    assert dict(status.not_decided) == replayed["not_replayable"]


async def test_a_broken_candidate_changes_nothing_and_is_told(trying, folder):
    """It is followed: mended, it decides again, and begins anew."""
    zone = await trying()
    task = await zone.zone.start_task()
    await pay(task, 40)
    await zone.decided(2)
    before = zone.shadow.status.revision
    (folder / "candidate" / "desk.rego").write_text("package policy.desk\n\ngrant contains 1 if")
    await eventually(lambda: zone.shadow.status.state == "broken")
    assert await pay(task, 5) == [True]
    answer = await zone.ask("GetShadow", pb.GetShadowRequest())
    assert answer.state == pb.SHADOW_STATE_BROKEN
    assert "desk.rego:3" in answer.problems[0]
    assert answer.dropped["not_running"] >= 1
    health = zone.zone.running["orchestrator"].health.snapshot()
    assert health.ready
    assert any("candidate" in reason for reason in health.reasons)
    (folder / "candidate" / "desk.rego").write_text(STRICT + "\n# changed\n")
    await zone.running(before)
    assert (zone.shadow.status.decided, zone.shadow.status.changed) == (0, 0)
    await pay(task, 30)
    assert (await zone.decided(1)).changed == 1


async def test_a_runaway_candidate_times_out_alone(trying):
    """Its rule takes a second of its own processor; the sidecar answers at once, and the difference says why."""
    zone = await trying(RUNAWAY)
    task = await zone.zone.start_task()
    await task.authorize("read", {})
    assert zone.shadow.status.decided < 2
    await zone.decided(2)
    await eventually(zone.differences)
    assert zone.differences()[0]["result"]["now"]["reasons"] == ["policy_timeout"]


async def test_a_growing_candidate_is_stopped_alone(trying):
    """Its rule wants gigabytes. The sidecar answers meanwhile, and what happened is told."""
    zone = await trying(GROWING, shadow={"max_memory_mib": 128})
    task = await zone.zone.start_task()
    for _ in range(5):
        async with asyncio.timeout(20):
            await task.authorize("read", {})

    def told():
        differs = [one["result"]["now"]["reasons"] for one in zone.differences()]
        return zone.shadow.status.failures or differs

    found = await eventually(told)
    assert found in ([["policy_error"]], [["policy_timeout"]]) or "128 MiB" in str(
        zone.shadow.status.problems
    )
    assert await pay(task, 40) == [True]


async def test_what_cannot_be_compiled_within_bounds_is_broken(trying, folder):
    """Not started again and again: OPA's compiler would take hours or all memory for these lines."""
    zone = await trying()
    doubled = "".join(f"_x{n} := [_x{n - 1}, _x{n - 1}]\n\n" for n in range(1, 60))
    hostile = f'\n_x0 := 1\n\n{doubled}deny contains {{"code": "never", "message": "x"}} if _x59 == input.tool.name\n'
    (folder / "candidate" / "desk.rego").write_text(STRICT + hostile)
    await eventually(lambda: zone.shadow.status.state == "broken", seconds=90)
    assert zone.shadow.status.failures == 0
    assert any("memory" in problem or "too long" in problem for problem in zone.shadow.status.problems)


async def test_a_process_that_ends_is_started_again(trying):
    """Calls go on, and the end is counted."""
    zone = await trying()
    task = await zone.zone.start_task()
    os.kill(zone.shadow.pid, signal.SIGKILL)
    await eventually(lambda: zone.shadow.status.failures == 1)
    assert await pay(task, 40) == [True]
    await zone.running()
    await pay(task, 30)
    assert (await zone.decided(1)).changed == 1
    assert zone.zone.parts("orchestrator").metrics.shadow_failures._value.get() == 1


async def test_a_stopped_process_drops_what_it_cannot_take(trying):
    """Beyond the bound records are dropped and counted; nothing waits for the candidate. Then it goes on."""
    zone = await trying(shadow={"max_waiting": 10})
    task = await zone.zone.start_task()
    await zone.decided(1)
    os.kill(zone.shadow.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(90):
            while not zone.shadow.status.dropped["behind"]:
                await asyncio.gather(*(task.authorize("read", {"text": "x" * 4000}) for _ in range(40)))
        assert zone.shadow.waiting <= 11
    finally:
        os.kill(zone.shadow.pid, signal.SIGCONT)
    await eventually(lambda: not zone.shadow.waiting)
    decided = zone.shadow.status.decided
    await pay(task, 30)
    await zone.decided(decided + 1)
    await eventually(lambda: zone.shadow.status.changed == 1)


async def test_what_cannot_be_read_is_counted_and_ends_nothing(trying):
    """Whatever an agent gets into a record: no JSON, half of it, lone surrogates, numbers without end, deep nesting."""
    zone = await trying()
    task = await zone.zone.start_task()
    await zone.decided(1)
    odd = [
        b"{",
        b'{"a":"\\ud800"}',
        b"[1e999]",
        b"[" * 3000 + b"]" * 3000,
        b"null",
        b'{"history":1,"context":[]}',
        b"\xff",
    ]
    for number, text in enumerate(odd):
        zone.shadow.offer(
            DecisionRecord("outcome", f"d{number}", "authorize", 1.0, text, {"decision": 1}, "r")
        )
    await pay(task, 30)
    status = await zone.decided(2)
    assert (status.failures, status.changed) == (0, 1)
    assert set(status.not_decided) == {"malformed_record", "unknown_contract"}


async def test_only_named_modules_are_tried(trying, folder):
    """The other modules and the data are the live policy's; those of the candidate's folder don't count."""
    other = 'package policy.other\n\ngrant contains {"code": "write"} if input.tool.name == "write"\n'
    zone = await trying(
        {"mine.rego": STRICT, "other.rego": other.replace("write", "never")},
        live={"desk.rego": LIVE, "other.rego": other},
        shadow={"modules": {"desk": "shadow"}},
    )
    task = await zone.zone.start_task()
    await task.authorize("write", {})
    await pay(task, 40)
    status = await zone.decided(3)
    assert {name: count for name, count in status.changes.items() if count} == {"newly_denied": 1}
    before = status.revision
    (folder / "policy" / "other.rego").write_text(other.replace("write", "wipe"))
    await zone.running(before)


async def test_a_log_with_little_room_holds_no_differences(trying):
    """They leave a fourth of the room to decisions."""
    limits = {"audit.max_bytes": 64 * 1024, "audit.max_total_bytes": 128 * 1024}
    zone = await trying(**limits)
    task = await zone.zone.start_task()
    await pay(task, 20)
    await eventually(lambda: len(zone.differences()) == 1)
    files = zone.zone.sidecars["orchestrator"].folder
    while sum(file.stat().st_size for file in files.glob("decisions.log*")) < 100_000:
        await task.authorize("read", {"text": "x" * 4000})
    await pay(task, 20)
    await eventually(lambda: zone.shadow.status.unrecorded == 1)
    assert await pay(task, 1) == [True]
