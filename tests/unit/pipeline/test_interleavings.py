"""Changes while a call is decided: of the policy, the labels, the store."""

from __future__ import annotations

import asyncio
import json

import pytest
import tabard
from tabard_sidecar.pipeline import issuing
from tabard_sidecar.server.revisions import ShownRevisions

from tests.support.policy import around_decide
from tests.support.spending import POLICY, SOURCE, pay, refused, spent
from tests.support.waiting import DEADLINE_SECONDS, eventually

FORGETFUL = SOURCE.partition("deny contains")[0].replace("import data.tabard.lib.labels\n", "")
"""The same policy without its denials: it never looks back."""


@pytest.fixture
async def zone(start_zone):
    """Orchestrator and triage under a policy that charges."""
    return await start_zone(policy=POLICY)


async def load(zone, parts, source):
    """Put a policy in the place of the active one."""
    (zone.policy / "desk" / "desk.rego").write_text(source)
    status = await parts.policy.reload()
    assert not status.problems


def outcomes(zone):
    """Return what the orchestrator's decision log says about answers."""
    lines = (zone.folder / "orchestrator" / "decisions.log").read_text().splitlines()
    return [json.loads(line)["result"] for line in lines if json.loads(line).get("event") == "outcome"]


async def test_a_call_is_decided_by_the_policy_that_it_began_with(zone, parts, monkeypatch):
    """The task was looked up for a policy that needs no calls; the one that comes meanwhile decides the next call."""
    task = await zone.start_task()
    await pay(task, 1)
    await pay(task, 1)
    await load(zone, parts, FORGETFUL)
    claim = parts.state.claim_request

    async def claim_slowly(*args, **kwargs):
        await load(zone, parts, SOURCE)
        return await claim(*args, **kwargs)

    monkeypatch.setattr(parts.state, "claim_request", claim_slowly)
    first = parts.policy.revision
    decision = await task.authorize("send", {}, request_id="r")
    assert decision.policy_revision == ShownRevisions(parts.keyring)(first)
    assert parts.policy.revision != first
    assert (await refused(task.authorize("send", {}))).code == "paid_before"


async def test_a_repeated_evaluation_uses_the_same_policy(zone, parts, monkeypatch):
    """Labels are compared for the policy that was evaluated, and it is evaluated again: not the one that came meanwhile."""
    without = SOURCE.replace('"budgets": {"cents": 1000, "calls": 50},', "")
    without = without.replace('"limits": {"budgets": {"cents": 300}}', '"limits": {}')
    await load(
        zone, parts, without.replace('"charges": {"cents": input.tool.arguments.cents, "calls": 1},', "")
    )
    task = await zone.start_task()
    asked = []

    async def decide_slowly(decide, *args, **kwargs):
        decision = await decide(*args, **kwargs)
        asked.append(decision.allowed)
        if len(asked) == 1:
            await task.authorize("web.read", {})
            await load(zone, parts, FORGETFUL)
        return decision

    monkeypatch.setattr(parts.policy, "lease", around_decide(parts.policy, decide_slowly))
    assert (await refused(task.authorize("send", {}))).code == "tainted"
    assert asked == [True, True, False], "the call, the reading beside it, and the call again"
    await task.authorize("send", {})


async def test_a_renewal_beside_a_reading_is_decided_again(zone, parts, monkeypatch):
    """Compare-and-set covers renewals: a label that comes while policy is asked counts."""
    rule = 'deny contains {"code": "late", "message": "noted"} if {\n\tinput.tool.name == "web.fetch"\n\t"noted" in input.history.labels\n}\n'
    await load(zone, parts, SOURCE + "\n" + rule)
    task = await zone.start_task()
    fetch = {"kind": "jwt"}
    credential = (await task.authorize("web.fetch", fetch)).credential
    asked = []

    async def decide_slowly(decide, *args, **kwargs):
        decision = await decide(*args, **kwargs)
        asked.append(decision.allowed)
        if len(asked) == 1:
            await task.authorize("note", {})
        return decision

    monkeypatch.setattr(parts.policy, "lease", around_decide(parts.policy, decide_slowly))
    assert (await refused(task.renew(credential, fetch))).code == "late"
    assert asked == [True, True, True, False], (
        "the call, the reading beside it, the renewal, and the call again"
    )


async def test_only_what_was_taken_is_recorded_as_taken(zone, parts, monkeypatch):
    """An answer that had to be thrown away leaves no charge in the log."""
    grants, word, denials = SOURCE.partition("deny contains")
    denials = denials.replace('input.tool.name == "send"', 'input.tool.name == "pay"')
    await load(zone, parts, grants + word + denials)
    task = await zone.start_task()
    asked = []

    async def decide_slowly(decide, *args, **kwargs):
        decision = await decide(*args, **kwargs)
        asked.append(decision)
        if len(asked) == 1:
            await task.authorize("web.read", {})
        return decision

    monkeypatch.setattr(parts.policy, "lease", around_decide(parts.policy, decide_slowly))
    assert (await refused(pay(task, 7))).code == "tainted"
    monkeypatch.undo()
    denied = [result for result in outcomes(zone) if result["decision"] == "deny"]
    assert len(denied) == 1
    assert "charges" not in denied[0]


async def test_a_cached_state_that_is_out_of_date_lets_no_other_call_wait(zone, parts, monkeypatch):
    """Its call is decided again beside others: only calls that change what policy saw when it was looked up take turns."""
    task = await zone.start_task()
    await pay(task, 1)
    reserve, look_up, done = parts.state.reserve, parts.state.look_up, []

    async def reserve_late(wanted, **kwargs):
        if not done:
            assert wanted.unchanged is not None, "decided on a cached state"
            done.append("outdated")
            await pay(task, 2)
        return await reserve(wanted, **kwargs)

    async def look_up_slowly(*args, **kwargs):
        if done == ["outdated", "paid"]:
            done.append("again")
            async with asyncio.timeout(DEADLINE_SECONDS):
                await pay(task, 4)
        elif done == ["outdated"]:
            done.append("paid")
        return await look_up(*args, **kwargs)

    monkeypatch.setattr(parts.state, "reserve", reserve_late)
    monkeypatch.setattr(parts.state, "look_up", look_up_slowly)
    await pay(task, 8)
    assert done == ["outdated", "paid", "again"]
    monkeypatch.undo()
    assert max((await spent(zone, task)).values()) == 15


async def test_a_store_that_went_back_is_noticed_until_that_is_written_down(
    zone, parts, tampering, monkeypatch
):
    """A store that can't take the revocation is asked again; meanwhile nothing is allowed."""
    task = await zone.start_task()
    await pay(task, 10)
    await tampering.lose_writes()
    revoke = parts.state.revoke

    async def broken(_revocation):
        raise OSError("disk full")

    monkeypatch.setattr(parts.state, "revoke", broken)
    with pytest.raises(tabard.TabardError):
        await pay(task, 1)
    monkeypatch.setattr(parts.state, "revoke", revoke)
    assert (await refused(pay(task, 1))).code == "state_rolled_back"
    assert (await refused(pay(task, 1))).code == "state_rolled_back"


async def test_a_caller_that_goes_away_before_its_credential_is_made_pays_nothing(zone, parts, monkeypatch):
    """What was being made is handed out to no caller; the charge is given back although no caller waits for the answer."""
    task = await zone.start_task()
    issuer, making, stopped = parts.stages.issuers.get("jwt"), asyncio.Event(), asyncio.Event()

    async def hang(_request):
        making.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    monkeypatch.setattr(issuing, "MOST_ISSUE_SECONDS", 0.5)
    monkeypatch.setattr(issuer, "compute", lambda _request: None)
    monkeypatch.setattr(issuer, "issue", hang)
    with pytest.raises(tabard.TabardError):
        await pay(task, 400, timeout_seconds=0.3)
    assert making.is_set()
    await asyncio.wait_for(stopped.wait(), DEADLINE_SECONDS)

    async def given_back():
        return not any((await spent(zone, task)).values())

    await eventually(given_back)
