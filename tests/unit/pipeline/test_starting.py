"""The authority of a new task, which nothing that its holder does widens."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tabard.caveats import Limits
from tabard_sidecar.state.labels import COLLAPSED

from tests.support.spending import POLICY, pay, refused


@pytest.fixture
async def zone(start_zone):
    """Orchestrator and triage under a policy that charges."""
    return await start_zone(policy=POLICY)


async def test_what_is_reported_keeps_no_task_from_starting(zone):
    """However many labels a workload reports in however many tasks, the person's next ones start and read."""
    for name in "abc":
        handed = await zone.hand_to(await zone.start_task(), "triage")
        decision = await pay(handed, 1)
        for batch in range(8):
            labels = [f"{name}{number}" for number in range(32 * batch, 32 * batch + 32)]
            await handed.report_outcome(decision, labels=labels)
    task = await zone.start_task()
    await task.authorize("web.read", {})
    await pay(task, 1)
    (overview,) = (await zone.store.tasks(now=0.0, limit=1)).tasks
    tree = await zone.store.tree(overview.task_id)
    assert set(tree.labels) == {COLLAPSED, "untrusted"}


async def test_labels_reach_a_task_although_clocks_differ(start_zone):
    """Even if no label is carried otherwise: the one who reads may have a clock that is behind."""
    zone = await start_zone(policy=POLICY, overrides={"limits.label_carry_seconds": 0})
    reading, live = await zone.start_task(), await zone.start_task()
    await reading.authorize("web.read", {})
    for task in (live, await zone.start_task()):
        assert (await refused(task.authorize("send", {}))).code == "tainted"
    parts = zone.parts()
    (newest,) = (await zone.store.tasks(now=0.0, limit=1)).tasks
    later = replace(newest, root_id="f" * 64, task_id="later", started_at=newest.started_at + 60)
    assert await parts.state.open_task(later, labels_since=later.started_at - 30) == ()


async def test_a_holder_grants_itself_no_budget(zone):
    """A budget that is asked for or appended narrows what policy granted; it grants nothing itself."""
    asked = await zone.start_task(limits=Limits(budgets={"chips": 5}))
    assert (await refused(asked.authorize("gamble", {}))).code == "budget_not_granted"
    task = await zone.start_task()
    for own in (
        task.narrow(Limits(budgets={"chips": 5})),
        task.branch("b", Limits(budgets={"chips": 5})),
        await zone.hand_to(task, "triage", Limits(budgets={"chips": 5})),
    ):
        assert (await refused(own.authorize("gamble", {}))).code == "budget_not_granted"
    narrowed = task.narrow(Limits(budgets={"cents": 5}))
    assert (await refused(pay(narrowed, 6))).code == "budget_exhausted"
    await pay(narrowed, 5)


async def test_a_narrower_budget_hides_nothing_from_policy(zone):
    """A rule about what was spent sees what the whole task has spent, whatever its holder appends, and granted budgets only."""
    task = await zone.start_task()
    await pay(task, 900)
    decision = await pay(task.narrow(Limits(budgets={"cents": 5, "chips": 9})), 5)
    text = (zone.folder / "orchestrator" / "decisions.log").read_text()
    records = [json.loads(line) for line in text.splitlines()]
    (budgets,) = [
        record["input"]["budgets"]
        for record in records
        if record["decision_id"] == decision.decision_id and "input" in record
    ]
    assert budgets == {
        "cents": {"limit": 5, "spent": 900, "remaining": 5},
        "calls": {"limit": 50, "spent": 1, "remaining": 49},
    }


@pytest.mark.parametrize("accepted", [False, True])
async def test_an_asserted_purpose_meets_no_limit_on_purposes(start_zone, accepted):
    """Neither policy's, nor one that a holder appends; the agent could assert any purpose."""
    source = POLICY["desk/desk.rego"].replace('"tools": ["*"],', '"tools": ["*"], "purposes": ["billing"],')
    overrides = {"insecure.accept_asserted_intent": accepted}
    zone = await start_zone(policy={"desk/desk.rego": source}, overrides=overrides)
    signed = await zone.start_task(intent_token=zone.intent("billing", "Bill."))
    assert await pay(signed, 1)
    assert (await refused(zone.start_task())).code == "purpose_not_granted"
    client = zone.agent("orchestrator")
    attempt = client.start_task(zone.issuer.access_token("eve"), purpose="billing")
    if accepted:
        assert await pay(await attempt, 1)
        return
    assert (await refused(attempt)).code == "purpose_not_granted"


async def test_an_asserted_purpose_meets_no_appended_limit(zone):
    task = await zone.agent("orchestrator").start_task(zone.issuer.access_token("eve"), purpose="billing")
    assert await pay(task, 1)
    narrowed = task.narrow(Limits(purposes=("billing",)))
    assert (await refused(pay(narrowed, 1))).code == "purpose_not_granted"
