"""Credentials that are computed while the store answers: handed out after the reservation, or never."""

from __future__ import annotations

import asyncio
import gc
import json

import pytest
import tabard
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.interfaces import Withdrawal
from tabard_sidecar.pipeline.issuing import RunningIssuance
from tabard_sidecar.records.sinks import SinkError

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
    assert [record["event"] for record in records(zone)[before:]] == ["outcome"]


async def written(zone, **fields):
    """Return event, input and credential of the records with these fields."""
    found = [record for record in records(zone) if fields.items() <= record.items()]
    return [(one["event"], "input" in one, one["result"].get("credential")) for one in found]


async def test_a_computed_credential_has_one_record_that_says_everything(zone):
    """Nothing leaves the process before the reply, so nothing has to be recorded before the rest."""
    decision = await pay(await zone.start_task(), 1)
    credential = decision.credential
    described = {
        "id": credential.credential_id,
        "kind": "jwt",
        "audience": credential.audience,
        "scopes": list(credential.scopes),
        "expires_at": int(credential.expires_at),
    }
    assert await written(zone, decision_id=decision.decision_id) == [("outcome", True, described)]


async def test_what_leaves_the_process_before_the_reply_is_recorded_before(zone, parts, monkeypatch):
    """A credential that another process makes, and an answer that the store keeps, have an intent in the log first."""
    task = await zone.start_task()
    issuer, seen = parts.stages.issuers.get("jwt"), []
    compute, complete = issuer.compute, parts.state.complete_request

    async def issue(request):
        seen.append(await written(zone, decision_id=request.decision_id))
        return compute(request)

    async def store(key, response, *, expires_at):
        seen.append((await written(zone, operation="authorize"))[-1:])
        await complete(key, response, expires_at=expires_at)

    with monkeypatch.context() as patched:
        patched.setattr(issuer, "compute", lambda _request: None)
        patched.setattr(issuer, "issue", issue)
        elsewhere = await pay(task, 1)
    monkeypatch.setattr(parts.state, "complete_request", store)
    stored = await pay(task, 1, request_id="r1")
    for before, decision in zip(seen, (elsewhere, stored), strict=True):
        ((event, with_input, credential),) = before
        assert (event, with_input, credential["id"]) == ("intent", True, decision.credential.credential_id)
        both = await written(zone, decision_id=decision.decision_id)
        assert [(event, with_input) for event, with_input, _ in both] == [
            ("intent", True),
            ("outcome", False),
        ]


@pytest.mark.parametrize("failure", [SinkError("no space"), asyncio.CancelledError()])
async def test_a_credential_whose_record_is_not_written_is_thrown_away(zone, parts, monkeypatch, failure):
    """Its reservation is given back. A caller that went away is in the log as such."""
    task = await zone.start_task()
    await pay(task, 1)
    before, append, tries = await spent(zone, task), parts.log._append, []

    async def broken(*args):
        tries.append(args)
        if len(tries) == 1:
            raise failure
        await append(*args)

    monkeypatch.setattr(parts.log, "_append", broken)
    with pytest.raises(tabard.TabardError):
        await pay(task, 400, timeout_seconds=2)
    assert await spent(zone, task) == before
    if isinstance(failure, asyncio.CancelledError):
        last = records(zone)[-1]["result"]
        assert (last["reasons"][0]["code"], "charges" in last) == ("cancelled", False)


async def test_the_error_of_a_credential_whose_caller_has_gone_is_not_reported_by_asyncio():
    """The caller was the one who would have got it."""

    class Issuer:
        async def issue(self, _request):
            raise NoDecision("UNAVAILABLE", "vault_unavailable", "x")

        def give_up(self, _request):
            """Nothing waits."""

        async def withdraw(self, _request):
            return Withdrawal.NOTHING_ISSUED

    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
    issuance = RunningIssuance(Issuer(), None)
    assert await issuance.withdraw() is Withdrawal.NOTHING_ISSUED
    del issuance
    gc.collect()
    await asyncio.sleep(0)
    assert reported == []
