"""Deciding on what the last call left behind, and never on that alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tabard_sidecar.model import BudgetLimit
from tabard_sidecar.pipeline.task_state_cache import TaskStateCache
from tabard_sidecar.state.model import Chain, Reservation, Reserved, ReserveState, TaskState

from tests.support.policy import around_decide
from tests.support.spending import POLICY, pay, refused, spent
from tests.support.waiting import next_second

CHAIN = Chain(("root", "link"), (BudgetLimit("b", "cents", 9),))
SEEN = TaskState(known=True, with_calls=True, revocations=3, changes=7)
DONE = Reserved(ReserveState.DONE, epoch=20, changes=8, label_version=0, revocations=3)


def wanted(chain=CHAIN):
    return Reservation(chain, "d", "pay", {"cents": 2}, (), (), 0, (), 1.0)


@pytest.fixture
def memory():
    return TaskStateCache()


def take(memory, chain=CHAIN, *, with_calls=True, revocations=3):
    return memory.take(chain, with_calls=with_calls, revocations=revocations)


def test_it_is_taken_once(memory):
    """Of two requests at the same time one at most relies on it."""
    memory.keep(SEEN, wanted(), DONE)
    found = take(memory)
    assert (found.cached, found.changes, found.spent, found.revocations) == (True, 8, {"b": 2}, 3)
    assert [call.tool for call in found.calls] == ["pay"]
    assert take(memory) is None


@pytest.mark.parametrize(
    "asked",
    [
        {"chain": replace(CHAIN, link_ids=("root",))},
        {"chain": replace(CHAIN, budgets=())},
        {"chain": Chain(("other",))},
        {"revocations": 4},
        {"revocations": 2},
    ],
)
def test_it_serves_the_same_chain_and_no_other(memory, asked):
    memory.keep(SEEN, wanted(), DONE)
    assert take(memory, **asked) is None


def test_calls_that_were_not_looked_up_are_not_known(memory):
    for _ in range(2):
        memory.keep(replace(SEEN, with_calls=False), wanted(), DONE)
        assert take(memory) is None
    memory.keep(replace(SEEN, with_calls=False), wanted(), DONE)
    assert take(memory, with_calls=False).calls == ()


@pytest.mark.parametrize(
    "reserved", [replace(DONE, changes=9), replace(DONE, changes=0), replace(DONE, revocations=4)]
)
def test_what_another_caller_changed_meanwhile_is_not_kept(memory, reserved):
    memory.keep(SEEN, wanted(), reserved)
    assert take(memory) is None


def test_a_task_that_others_work_on_is_left_alone_for_a_while(memory):
    memory.missed("root")
    kept = []
    for _ in range(20):
        memory.keep(SEEN, wanted(), DONE)
        kept.append(take(memory) is not None)
    assert kept == [False] * 16 + [True] * 4


def test_it_is_bounded(memory):
    """Holders choose how many tasks, links and budgets there are."""
    for number in range(3_000):
        memory.keep(SEEN, wanted(Chain((f"root-{number}",))), DONE)
        memory.missed(f"other-{number}")
    assert len(memory._kept) == len(memory._paused) == 256
    assert take(memory, Chain(("root-2999",))).changes == 8
    long = Chain(tuple(f"link-{number}" for number in range(200)))
    memory.keep(SEEN, wanted(long), DONE)
    assert take(memory, long) is None


@pytest.fixture
async def zone(start_zone):
    """Orchestrator and triage under a policy that charges."""
    return await start_zone(policy=POLICY)


@pytest.fixture
def trips(parts, monkeypatch):
    """Count what the orchestrator's sidecar asks: look-ups, evaluations of policy, reservations."""
    made = {"look_up": 0, "decide": 0, "reserve": 0}

    def counted(owner, name):
        original = getattr(owner, name)

        async def counting(*args, **kwargs):
            made[name] += 1
            return await original(*args, **kwargs)

        monkeypatch.setattr(owner, name, counting)

    counted(parts.state, "look_up")
    counted(parts.state, "reserve")

    async def deciding(decide, *arguments, **options):
        made["decide"] += 1
        return await decide(*arguments, **options)

    monkeypatch.setattr(parts.policy, "lease", around_decide(parts.policy, deciding))

    async def during(attempt):
        made.update(dict.fromkeys(made, 0))
        try:
            await attempt
        finally:
            # The feed looks for revocations now and then, independent of calls.
            made["look_up"] = min(made["look_up"], 1)
        return dict(made)

    return during


async def test_the_next_call_of_a_task_is_not_looked_up(zone, trips):
    """Policy sees what the last call left behind: what it spent, its labels, itself."""
    task = await zone.start_task()
    assert await trips(pay(task, 1)) == {"look_up": 1, "decide": 1, "reserve": 1}
    assert await trips(pay(task, 1)) == {"look_up": 0, "decide": 1, "reserve": 1}
    assert (await refused(task.authorize("send", {}))).code == "paid_before"
    assert (await refused(pay(task, 999))).code == "budget_exhausted"
    assert 2 in (await spent(zone, task)).values()


async def test_a_denial_is_looked_up(zone, trips):
    """What one label denies may be allowed by now; a denial can't be taken on trust either."""
    task = await zone.start_task()
    await pay(task, 1)
    await task.authorize("web.read", {})
    made = {}

    async def attempt():
        made["denied"] = await refused(task.authorize("send", {}))

    assert await trips(attempt()) == {"look_up": 1, "decide": 2, "reserve": 0}
    assert made["denied"].code == "tainted"
    assert await trips(attempt()) == {"look_up": 1, "decide": 1, "reserve": 0}


async def test_what_another_sidecar_does_is_seen_by_the_next_call(zone, trips):
    """A label that was given elsewhere denies here at once, whatever is remembered here."""
    task = await zone.start_task()
    child = await zone.hand_to(task, "triage")
    await task.authorize("send", {})
    await child.authorize("web.read", {})
    assert (await refused(task.authorize("send", {}))).code == "tainted"
    # Two in a row, so that the task is remembered again after it was missed.
    for _ in range(20):
        await pay(task, 1)
    await pay(child, 1)
    assert await trips(pay(task, 1)) == {"look_up": 1, "decide": 2, "reserve": 2}
    assert await trips(pay(task, 1)) == {"look_up": 1, "decide": 1, "reserve": 1}


async def test_an_outcome_is_seen_by_the_next_call(zone, trips):
    task = await zone.start_task()
    decision = await pay(task, 1)
    await task.authorize("send", {})
    await task.report_outcome(decision, labels=["untrusted"])
    made = await trips(refused(task.authorize("send", {})))
    assert made == {"look_up": 1, "decide": 1, "reserve": 0}


async def test_a_stored_answer_is_not_given_on_a_cached_state(zone):
    """No reservation confirms it: after the task has ended, its credential isn't handed out again."""
    task = await zone.start_task()
    first = await pay(task, 1, request_id="r-1")
    await pay(task, 1)
    assert (await pay(task, 1, request_id="r-1")).decision_id == first.decision_id
    await pay(task, 1)
    await task.end()
    assert (await refused(pay(task, 1, request_id="r-1"))).code == "task_ended"


async def test_a_call_that_saw_no_revocation_takes_nothing_after_one(zone, parts, monkeypatch):
    """The task is ended while policy is asked about a call that wasn't looked up."""
    task = await zone.start_task()
    await pay(task, 1)
    asked = []

    async def decide_slowly(decide, *args, **kwargs):
        decision = await decide(*args, **kwargs)
        asked.append(decision.allowed)
        if len(asked) == 1:
            await task.end()
        return decision

    monkeypatch.setattr(parts.policy, "lease", around_decide(parts.policy, decide_slowly))
    assert (await refused(pay(task, 1))).code == "task_ended"
    assert asked == [True]


async def test_a_loss_is_noticed_by_a_call_that_looks_nothing_up(zone, tampering):
    """The store lost the last write of all, of another task; the call's own write mustn't hide that."""
    task, other = await zone.start_task(), await zone.start_task()
    await pay(task, 1)
    await pay(other, 1)
    await tampering.lose_writes(1)
    assert (await refused(pay(task, 1))).code == "state_rolled_back"
    await next_second()
    await pay(await zone.start_task(), 1)


async def test_calls_together_see_each_other_in_the_end(zone):
    """Pipelined payments are all counted, and the next call sees them."""
    task = await zone.start_task()
    await asyncio.gather(*(pay(task, 1) for _ in range(20)))
    await pay(task, 1)
    assert 21 in (await spent(zone, task)).values()
    assert (await refused(task.authorize("send", {}))).code == "paid_before"
