"""Batches: decided stage by stage for all items, and answered as if each item had been asked about after the one before."""

from __future__ import annotations

import asyncio
import itertools
import json

import jwt
import pytest
import tabard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabard_sidecar.credentials.jwt import JwtIssuer
from tabard_sidecar.errors import Refused
from tabard_sidecar.records.file_sink import FileSink

from tests.support.spending import POLICY, SOURCE, spent
from tests.support.waiting import DEADLINE_SECONDS, eventually

UNKEPT = SOURCE.partition("deny contains")[0].replace('"budgets": {"cents": 1000, "calls": 50},', "")
UNKEPT = UNKEPT.replace('"limits": {"budgets": {"cents": 300}}', '"limits": {}')
UNKEPT = UNKEPT.replace('"charges": {"cents": input.tool.arguments.cents, "calls": 1},', "").replace(
    "\n# No start rule grants this budget, which the loader would see if the name were written out.\n"
    'grant contains {"code": "gamble", "charges": {lower("CHIPS"): 1}} if input.tool.name == "gamble"\n',
    "",
)
UNKEPT += """
deny contains {"code": "tainted", "message": "the task has read what others write"} if {
	input.tool.name in {"send", "pay"}
	labels.untrusted
}
"""
"""The same policy without budgets and history: most calls write nothing to the store."""

CALLS = st.one_of(
    st.builds(lambda cents: tabard.ToolCall("pay", {"cents": cents}), st.sampled_from((1, 300, 450, 700))),
    st.sampled_from(
        (
            tabard.ToolCall("send"),
            tabard.ToolCall("web.read"),
            tabard.ToolCall("note"),
            tabard.ToolCall("gamble"),
            tabard.ToolCall("web.fetch", {"kind": "jwt"}),
            tabard.ToolCall("web.fetch", {"kind": "macaroon"}),
            tabard.ToolCall("web.fetch", {"kind": "missing"}),
            tabard.ToolCall("nothing.grants.this"),
            tabard.ToolCall("x" * 300),
            tabard.ToolCall("pay", {"cents": 2}, scopes=("admin",)),
            tabard.ToolCall("pay", {"cents": 3, "note": "n" * 40_000}),
            tabard.ToolCall("pay", {"cents": 100}, request_id="r-1"),
            tabard.ToolCall("pay", {"cents": 101}, request_id="r-1"),
        )
    ),
)
_people = itertools.count()


@pytest.fixture(params=[POLICY, {"desk/desk.rego": UNKEPT}], ids=["kept", "unkept"])
async def zone(request, start_zone):
    """Orchestrator and triage under a policy that charges, and under one that takes nothing for most calls."""
    return await start_zone(policy=request.param)


async def of_a_new_person(zone):
    """Start a task of a person who shares labels with no other."""
    person = f"p-{next(_people)}"
    intent = zone.intent("refunds", "Work.", subject=person)
    return await zone.agent("orchestrator").start_task(zone.issuer.access_token(person), intent_token=intent)


def told(decision, ids):
    """Return what a decision says, but for what differs each time; a repeated decision is told by where it stood first."""
    claims = {}
    if decision.credential is not None and decision.credential.kind == "jwt":
        claims = jwt.decode(decision.credential.value, options={"verify_signature": False})
    return (
        decision.allowed,
        [(reason.code, reason.module) for reason in decision.reasons],
        decision.credential and (decision.credential.kind, decision.credential.scopes),
        [claims.get(name) for name in ("aud", "scope", "tabard_tool", "tabard_call")],
        decision.error and decision.error.code,
        ids.setdefault(decision.decision_id, len(ids)) if decision.decision_id else None,
    )


async def one_by_one(task, calls):
    """Ask about each call after the one before; each is a batch of its own, so that errors are answers."""
    return [decision for call in calls for decision in await task.batch([call])]


async def left(zone, task):
    """Return what a task has spent, its labels and how many calls it has made."""
    tree = await zone.store.tree((await task.get()).task_id)
    return sorted((await spent(zone, task)).values()), tree.labels, tree.calls


@given(calls=st.lists(CALLS, min_size=1, max_size=12))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=(HealthCheck.function_scoped_fixture, HealthCheck.differing_executors),
)
async def test_a_batch_is_answered_as_its_items_one_after_another(zone, calls):
    """Answers, charges, labels and history agree, whatever the items are."""
    together, apart = await of_a_new_person(zone), await of_a_new_person(zone)
    found, wanted = await together.batch(calls), await one_by_one(apart, calls)
    first, second = {}, {}
    assert [told(one, first) for one in found] == [told(one, second) for one in wanted]
    assert await left(zone, together) == await left(zone, apart)


def recorded_calls(zone):
    """Return the records of the orchestrator's calls, in order."""
    lines = (zone.folder / "orchestrator" / "decisions.log").read_text().splitlines()
    return [record for record in map(json.loads, lines) if record["operation"] == "authorize"]


async def test_every_decision_of_a_batch_is_recorded_once(zone):
    """More items than are decided in rounds at a time, some of them large."""
    task = await of_a_new_person(zone)
    calls = [
        tabard.ToolCall("pay", {"cents": 1, "note": "n" * (3_000 if n % 7 == 0 else n)}) for n in range(90)
    ]
    found = await task.batch(calls)
    recorded = [record["decision_id"] for record in recorded_calls(zone)]
    assert sorted(recorded) == sorted(decision.decision_id for decision in found)
    assert all(decision.decision_id and not decision.error for decision in found)


async def test_a_credential_that_fails_takes_nothing_from_the_items_after_it(zone, monkeypatch):
    """What was reserved for it is given back before the next item is decided."""
    task, compute, failed = await of_a_new_person(zone), JwtIssuer.compute, []

    def fails_first(self, request):
        if not failed:
            failed.append(request.decision_id)
        if request.decision_id in failed:
            raise Refused("depth_exceeded", "too long")
        return compute(self, request)

    monkeypatch.setattr(JwtIssuer, "compute", fails_first)
    found = await task.batch([tabard.ToolCall("pay", {"cents": 600})] * 2)
    assert [(one.allowed, one.code) for one in found] == [(False, "depth_exceeded"), (True, "pay")]


async def test_a_caller_that_goes_away_leaves_no_charge(zone, monkeypatch):
    """Every item whose record isn't written gives back what it took, and the log says so of each."""
    task = await of_a_new_person(zone)
    reached, write, written = asyncio.Event(), FileSink.write, []

    async def stalls(self, line, **options):
        written.append(line)
        if len(written) == 3:
            reached.set()
            await asyncio.sleep(DEADLINE_SECONDS)
        await write(self, line, **options)

    with monkeypatch.context() as patched:
        patched.setattr(FileSink, "write", stalls)
        batch = asyncio.create_task(task.batch([tabard.ToolCall("pay", {"cents": 10})] * 6))
        await reached.wait()
        batch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await batch
    await eventually(lambda: len(recorded_calls(zone)) == 6)
    results = [record["result"] for record in recorded_calls(zone)]
    assert [result["decision"] for result in results].count("allow") >= 2
    charged = sum(sum(result.get("charges", {}).values()) for result in results)
    assert sum((await left(zone, task))[0]) == charged
