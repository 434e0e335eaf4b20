"""Contract of a zone: what is taken, asked or made stands in the record, whatever happens to the caller or the log."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
import tabard
from tabard.caveats import Limits
from tabard_sidecar.records.file_sink import closed_files

from testbed.world import spiffe_id
from tests.support.spending import SOURCE, pay, spent
from tests.support.waiting import eventually

_ASK = """
ask contains {"code": "large", "approvers": ["finance"], "reason": "large", "uses": 1, "ttl_seconds": 300} if {
	input.tool.name == "pay"
	input.tool.arguments.cents > 800
}

grant contains {"code": "gift", "charges": {"cents": input.tool.arguments.cents}} if input.tool.name == "gift"
"""
POLICY = {"desk/desk.rego": SOURCE + _ASK}
OVERRIDES = {"approvals.roles": {"finance": {"claim": "groups", "value": "finance"}}}
SMALL = {"audit.max_bytes": 64 * 1024, "audit.max_total_bytes": 256 * 1024}
LARGE_LIMITS = Limits(scopes=tuple(f"{number:05}" + "s" * 240 for number in range(100)))


def records(zone):
    """Return the orchestrator's records, oldest first."""
    path = zone.folder / "orchestrator" / "decisions.log"
    files = [*(file for _, file in closed_files(path)), path]
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def results(zone, operation="authorize"):
    """Return what the records of outcomes say."""
    return [
        record["result"]
        for record in records(zone)
        if record.get("operation") == operation and record["event"] == "outcome"
    ]


def codes(zone, operation="authorize"):
    """Return the codes of outcomes that weren't allowed."""
    return [
        reason["code"]
        for result in results(zone, operation)
        if result["decision"] == "deny"
        for reason in result["reasons"]
    ]


async def give_up(call):
    """Let a call's deadline pass."""
    with pytest.raises(tabard.TabardError):
        await call


async def fill(task, tool):
    """Call with large arguments until the log is full; return how many calls were allowed."""
    for allowed in range(200):
        try:
            await task.authorize(tool, {"cents": 5, "x": "t" * 60_000})
        except tabard.Unavailable:
            return allowed
    raise AssertionError("the log never was full")


def log_bytes(zone):
    """Return the size of the orchestrator's log with its closed files."""
    return sum(file.stat().st_size for file in (zone.folder / "orchestrator").glob("decisions.log*"))


async def until_full(attempt):
    """Repeat an attempt until the log is full; return how often it succeeded."""
    for number in range(200):
        try:
            await attempt(number)
        except tabard.Unavailable:
            return number
    raise AssertionError("the log never was full")


def hanging(real, *, after):
    """Return an operation that doesn't return once it has done its work, or before."""

    async def hang(*args, **kwargs):
        if after:
            await real(*args, **kwargs)
            await asyncio.Event().wait()
        await asyncio.sleep(0.5)
        return await real(*args, **kwargs)

    return hang


class ZoneEffectsContract:
    """Tests of effects and their records; the module of a subclass has the fixture ``open_zone``."""

    async def test_a_reservation_that_nobody_waits_for_is_given_back_and_recorded(
        self, open_zone, monkeypatch
    ):
        """The caller's time is over after the store has taken the charge and before it says so."""
        zone = await open_zone()
        task, state = await zone.start_task(), zone.parts().state
        with monkeypatch.context() as patched:
            patched.setattr(state, "reserve", hanging(state.reserve, after=True))
            await give_up(pay(task, 400, timeout_seconds=0.3))

        async def recorded():
            return codes(zone) == ["cancelled"]

        await eventually(recorded)
        assert not any((await spent(zone, task)).values())
        await pay(task, 800)

    async def test_callers_that_give_up_at_any_moment_leave_no_charge_without_a_record(self, open_zone):
        """Payments with short deadlines, with and without request_id: the records say what the store says."""
        zone = await open_zone()
        task = await zone.start_task()
        for number in range(40):
            named = {"request_id": f"r{number}"} if number % 2 else {}
            with contextlib.suppress(tabard.TabardError):
                await pay(task, 1, timeout_seconds=0.0005 * (number % 12 + 1), **named)

        async def agree():
            charged = sum(result.get("charges", {}).get("cents", 0) for result in results(zone))
            return charged == max((await spent(zone, task)).values(), default=0)

        await zone.parts().stages.decisions.settled()
        await eventually(agree)

    async def test_a_question_is_recorded_although_nobody_waits_for_the_answer(self, open_zone, monkeypatch):
        """The caller's time is over while its approval is stored."""
        zone = await open_zone()
        task, state = await zone.start_task(), zone.parts().state
        with monkeypatch.context() as patched:
            patched.setattr(state, "ask", hanging(state.ask, after=False))
            await give_up(pay(task, 900, timeout_seconds=0.3))

            async def recorded():
                return any(result.get("approvals_asked") for result in results(zone))

            await eventually(recorded)
        assert codes(zone) == ["cancelled"]

    async def test_a_start_that_nobody_waits_for_is_recorded(self, open_zone, monkeypatch):
        """The task that it made is named."""
        zone = await open_zone()
        state = zone.parts().state
        with monkeypatch.context() as patched:
            patched.setattr(state, "open_task", hanging(state.open_task, after=False))
            await give_up(zone.start_task(timeout_seconds=0.3))

            async def recorded():
                return len(results(zone, "start_task")) == 1

            await eventually(recorded)
        (made,) = (await zone.store.tasks(now=0.0, limit=5)).tasks
        assert [result["task_id"] for result in results(zone, "start_task")] == [made.task_id]

    async def test_an_unexpected_error_is_recorded_and_takes_nothing(self, open_zone, monkeypatch):
        """A defect after the reservation: the charge is given back, and the record says so."""
        zone = await open_zone()
        task, issuer = await zone.start_task(), zone.parts().stages.issuers.get("jwt")

        async def broken(_request):
            raise KeyError("defect")

        with monkeypatch.context() as patched:
            patched.setattr(issuer, "compute", lambda _request: None)
            patched.setattr(issuer, "issue", broken)
            await give_up(pay(task, 400))
        assert codes(zone) == ["internal"]
        assert not any((await spent(zone, task)).values())

    async def test_limits_that_fit_into_no_grant_are_denied_and_burn_nothing(self, open_zone):
        """The signed intent starts its task afterwards; the denials are recorded."""
        zone = await open_zone()
        intent = zone.intent("refunds", "Work off.")
        with pytest.raises(tabard.Denied) as caught:
            await zone.start_task(intent_token=intent, limits=LARGE_LIMITS)
        assert caught.value.code == "grant_too_large"
        assert codes(zone, "start_task") == ["grant_too_large"]
        task = await zone.start_task(intent_token=intent)
        with pytest.raises(tabard.Denied) as caught:
            await zone.hand_to(task, "triage", LARGE_LIMITS)
        assert caught.value.code == "grant_too_large"
        assert codes(zone, "delegate") == ["grant_too_large"]

    async def test_while_the_log_is_full_nothing_is_taken_asked_or_counted(self, open_zone):
        """Charges, questions, tasks and children: after the denials the store is as before."""
        zone = await open_zone(SMALL)
        task = await zone.start_task()
        await pay(task, 100)
        await fill(task, "web.read")
        before, intent = await spent(zone, task), zone.intent("refunds", "Work off.")
        attempts = (
            lambda: task.authorize("gift", {"cents": 5}),
            lambda: pay(task, 5),
            lambda: pay(task, 900),
            lambda: zone.hand_to(task, "triage"),
            lambda: zone.start_task(intent_token=intent),
        )
        for attempt in attempts:
            with pytest.raises(tabard.Unavailable) as caught:
                await attempt()
            assert caught.value.code == "audit_unavailable"
        assert await spent(zone, task) == before
        assert len((await zone.store.tasks(now=0.0, limit=5)).tasks) == 1
        assert not await zone.store.approvals(now=0.0)

    async def test_a_call_without_credential_whose_record_fails_costs_nothing(self, open_zone):
        """The first one that doesn't fit into the log any more is given back."""
        zone = await open_zone(SMALL)
        task = await zone.start_task()
        allowed = await fill(task, "gift")
        assert max((await spent(zone, task)).values()) == 5 * allowed > 0

    @pytest.mark.parametrize("kind", ["start", "hand on", "ask"])
    async def test_what_has_no_place_in_the_log_is_not_made(self, open_zone, kind):
        """The first start, handing-on or question whose record doesn't fit any more: the store has none without a record."""
        zone = await open_zone(SMALL)
        task = await zone.start_task()
        names = Limits(tools=["*", *(f"{number:03}" * 60 for number in range(40))])
        while log_bytes(zone) < SMALL["audit.max_total_bytes"] - 45_000:
            await task.authorize("web.read", {"x": "t" * 9_000})

        async def attempt(number):
            if kind == "start":
                await zone.start_task(
                    intent_token=zone.intent("refunds", f"Work off {number}."), limits=names
                )
            elif kind == "hand on":
                await task.delegate(spiffe_id(f"w{number}"), names)
            else:
                with contextlib.suppress(tabard.Denied):
                    await task.authorize("pay", {"cents": 900, "n": number, "x": "t" * 9_000})

        made = await until_full(attempt)
        assert made >= 1
        if kind == "start":
            assert len((await zone.store.tasks(now=0.0, limit=500)).tasks) == made + 1
        elif kind == "hand on":
            chain = zone.parts().grants.verify(task.grant).chain
            assert (await zone.store.look_up(chain)).children == made
        else:
            assert len(await zone.store.approvals(now=0.0)) == made
