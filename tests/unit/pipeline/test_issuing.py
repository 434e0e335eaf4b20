"""Credentials that are computed while the store answers: handed out after the reservation, or never."""

from __future__ import annotations

import json

import pytest
import tabard
from tabard_sidecar.errors import NoDecision, Refused

from tests.support.policy import around_decide
from tests.support.spending import POLICY, pay, refused, spent


@pytest.fixture
async def zone(start_zone):
    """Orchestrator and triage under a policy that charges."""
    return await start_zone(policy=POLICY)


@pytest.fixture
def computed(parts, monkeypatch):
    """Let the file be as slow as a store elsewhere; return what was computed meanwhile and otherwise."""
    reserve, issuer = parts.state.reserve, parts.stages.issuers.get("jwt")
    compute, made = issuer.compute, {"meanwhile": [], "after": []}
    waiting = []

    async def reserve_slowly(reservation, *, concurrent_work):
        waiting.append(reservation)
        concurrent_work()
        waiting.pop()
        return await reserve(reservation)

    def computing(request):
        credential = compute(request)
        made["meanwhile" if waiting else "after"].append(credential)
        return credential

    monkeypatch.setattr(parts.state, "reserve", reserve_slowly)
    monkeypatch.setattr(issuer, "compute", computing)
    return made


def records(zone):
    """Return the orchestrator's decision log."""
    lines = (zone.folder / "orchestrator" / "decisions.log").read_text().splitlines()
    return [json.loads(line) for line in lines]


async def test_what_was_computed_is_handed_out(zone, computed):
    """Nothing is computed twice."""
    task = await zone.start_task()
    decision = await pay(task, 1)
    (credential,) = computed["meanwhile"]
    assert decision.credential.value == credential.value
    assert computed["after"] == []
    assert await task.introspect(decision.credential)


async def test_what_may_not_be_issued_is_thrown_away(zone, computed):
    """Neither the answer nor the log has anything of it, and no intent was recorded."""
    task = await zone.start_task()
    denied = await refused(pay(task, 2000))
    (credential,) = computed["meanwhile"]
    assert denied.code == "budget_exhausted"
    written = records(zone)
    assert {record["event"] for record in written if record["operation"] == "authorize"} == {"outcome"}
    assert credential.value not in json.dumps(written)
    assert credential.credential_id not in json.dumps(written)


async def test_a_call_that_is_asked_again_gets_a_credential_of_its_own(zone, parts, computed, monkeypatch):
    """What was computed for the answer that had to be thrown away goes with it."""
    task = await zone.start_task()
    asked = []

    async def decide_slowly(decide, operation, input_json, **options):
        decision = await decide(operation, input_json, **options)
        asked.append(json.loads(input_json)["tool"]["name"])
        if asked == ["pay"]:
            await task.authorize("web.read", {})
        return decision

    monkeypatch.setattr(parts.policy, "lease", around_decide(parts.policy, decide_slowly))
    decision = await pay(task, 1)
    thrown, kept = computed["meanwhile"]
    assert decision.credential.value == kept.value
    assert thrown.credential_id != kept.credential_id


@pytest.mark.parametrize(
    "failure", [NoDecision("UNAVAILABLE", "key_unavailable", "no key"), RuntimeError("bug")]
)
async def test_what_cannot_be_computed_fails_when_it_is_issued(zone, parts, computed, monkeypatch, failure):
    """Not before: the reservation is made, and given back."""
    task = await zone.start_task()
    issuer = parts.stages.issuers.get("jwt")

    def broken(_request):
        raise failure

    monkeypatch.setattr(issuer, "compute", broken)
    with pytest.raises(tabard.TabardError):
        await pay(task, 400)
    assert set((await spent(zone, task)).values()) <= {0}
    monkeypatch.undo()
    await pay(task, 400)
    assert 400 in (await spent(zone, task)).values()


async def test_what_the_issuer_refuses_is_tried_once(zone, parts, monkeypatch):
    """Also for a call that wasn't looked up: its reservation was made, so nothing is left to find out."""
    task = await zone.start_task()
    await pay(task, 1)
    issuer = parts.stages.issuers.get("jwt")

    def too_large(_request):
        raise Refused("depth_exceeded", "the chain doesn't fit")

    monkeypatch.setattr(issuer, "compute", too_large)
    before = len(records(zone))
    assert (await refused(pay(task, 1))).code == "depth_exceeded"
    assert [record["event"] for record in records(zone)[before:]] == ["intent", "outcome"]
