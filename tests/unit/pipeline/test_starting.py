"""The authority of a new task, which nothing that its holder does widens."""

from __future__ import annotations

import json

import pytest
from tabard.caveats import Limits

from tests.support.spending import POLICY, pay, refused


@pytest.fixture
async def zone(start_zone):
    """Orchestrator and triage under a policy that charges."""
    return await start_zone(policy=POLICY)


async def test_a_task_does_not_start_with_more_labels_than_it_may_have(zone):
    """Tasks that were started side by side each have their own; a later one would inherit them all."""
    tasks = [await zone.start_task() for _ in range(2)]
    for name, task in zip("ab", tasks, strict=True):
        decision = await pay(task, 1)
        for batch in range(5):
            labels = [f"{name}{number}" for number in range(32 * batch, 32 * batch + 32)]
            await task.report_outcome(decision, labels=labels)
    assert (await refused(zone.start_task())).code == "labels_exceeded"
    assert len(await zone.store.tasks(now=0.0)) == 2
    await pay(tasks[0], 1)


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
