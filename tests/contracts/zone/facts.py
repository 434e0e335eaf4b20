"""Contract of a zone: facts through real sidecars that share a store."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
import tabard
from tabard_sidecar.records.completing import completed

from tests.contracts.zone.effects import give_up, hanging
from tests.support.asking import impatience, poll, terminal
from tests.support.policy import around_decide
from tests.support.spending import refused, signed_by
from tests.support.waiting import eventually


def _records(zone):
    lines = (zone.folder / "orchestrator" / "decisions.log").read_text().splitlines()
    return list(completed(json.loads(line) for line in lines))


class ZoneFactsContract:
    """Tests of facts; the module of a subclass has the fixture ``zone``, under the policy of ``tests.support.noting``."""

    async def test_look_up_before_you_write_and_once_per_order(self, zone):
        """In every part of the task, also of other workloads, and in no other task."""
        task, other = await zone.start_task(), await zone.start_task()
        child = await zone.hand_to(task, "triage")
        assert (await refused(task.authorize("orders.cancel", {"id": "#W1"}))).code == "no_grant"
        await child.authorize("orders.get", {"id": "#W1"})
        decision = await task.authorize("orders.cancel", {"id": "#W1"})
        assert decision.credential.single_use
        for one in (task, child, task.branch("b")):
            assert (await refused(one.authorize("orders.cancel", {"id": "#W1"}))).code == "no_grant"
        assert (await refused(other.authorize("orders.cancel", {"id": "#W1"}))).code == "no_grant"
        await other.authorize("orders.get", {"id": "#W1"})
        await other.authorize("orders.cancel", {"id": "#W1"})

    async def test_a_counter_counts_every_call(self, zone):
        task = await zone.start_task()
        for number in range(3):
            await task.authorize("orders.get", {"id": f"{number}"})
            await task.authorize("orders.cancel", {"id": f"{number}"})
        assert (await refused(task.authorize("orders.get", {"id": "3"}))).code == "talkative"

    async def test_a_fact_of_a_branch_stays_below_it(self, zone):
        task = await zone.start_task()
        branch = task.branch("b")
        await branch.authorize("own", {})
        for one in (branch, branch.branch("below")):
            assert (await refused(one.authorize("own", {}))).code == "no_grant"
        await task.branch("c").authorize("own", {})

    async def test_a_call_beside_another_cannot_use_the_old_facts(self, zone):
        """Between asking policy and taking the call another call notes: policy is asked again, and denies."""
        task = await zone.start_task()
        await task.authorize("orders.get", {"id": "#W1"})
        policy, asked = zone.parts().policy, []

        async def slow(decide, operation, input_json, **options):
            decision = await decide(operation, input_json, **options)
            asked.append(json.loads(input_json)["task"]["facts"]["cancelled"])
            if len(asked) == 1:
                await task.authorize("orders.cancel", {"id": "#W1"})
            return decision

        policy.lease = around_decide(policy, slow)
        assert (await refused(task.authorize("orders.cancel", {"id": "#W1"}))).code == "no_grant"
        assert asked[0] == []
        assert asked[-1] == ["#W1"]

    async def test_hundreds_of_calls_at_once_each_note_a_fact(self, zone):
        """On two sidecars: none of them is refused because of the others, and each is counted."""
        task = await zone.start_task()
        child = await zone.hand_to(task, "triage")
        holders = (task, child, task.branch("b"))
        calls = [one.authorize("tick", {}) for _ in range(60) for one in holders]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [answer for answer in answers if isinstance(answer, BaseException)] == []
        ids = await asyncio.gather(
            task.authorize("orders.get", {"id": "#W1"}),
            *(task.authorize("orders.cancel", {"id": "#W1"}) for _ in range(20)),
            return_exceptions=True,
        )
        assert sum(not isinstance(answer, BaseException) for answer in ids[1:]) <= 1
        record = _records(zone)[-1]
        assert record["input"]["task"]["facts"]["ticks"] == 180

    async def test_a_batch_notes_each_call_once(self, zone):
        task = await zone.start_task()
        answers = await task.batch(
            [tabard.ToolCall("orders.get", {"id": f"{number}"}) for number in range(20)]
        )
        assert all(answer.allowed for answer in answers)
        calls = [tabard.ToolCall("orders.cancel", {"id": f"{number % 2}"}) for number in range(6)]
        answers = await task.batch(calls)
        assert sum(answer.allowed for answer in answers) == 2

    async def test_a_stream_notes_each_call_once(self, zone):
        task = await zone.start_task()
        calls = [tabard.ToolCall("orders.get", {"id": f"{number}"}) for number in range(2)]
        assert all([decision.allowed async for _, decision in task.stream(calls)])
        calls = [tabard.ToolCall("orders.cancel", {"id": f"{number % 2}"}) for number in range(40)]
        assert sum([decision.allowed async for _, decision in task.stream(calls)]) == 2

    async def test_a_call_that_nobody_waits_for_notes_nothing(self, zone, monkeypatch):
        """The caller's time is over after the store has taken the note and before it says so."""
        task, state = await zone.start_task(), zone.parts().state
        await task.authorize("orders.get", {"id": "#W1"})
        with monkeypatch.context() as patched:
            patched.setattr(state, "reserve", hanging(state.reserve, after=True))
            await give_up(task.authorize("orders.cancel", {"id": "#W1"}, timeout_seconds=0.3))

        async def recorded():
            return _records(zone)[-1]["result"]["reasons"][0]["code"] == "cancelled"

        await eventually(recorded)
        assert "facts" not in _records(zone)[-1]["result"]
        await task.authorize("orders.cancel", {"id": "#W1"})

    async def test_callers_that_give_up_at_any_moment_leave_no_note_without_a_record(self, zone):
        """Counting calls with short deadlines: the records say what the store says."""
        task = await zone.start_task()
        for number in range(40):
            named = {"request_id": f"r{number}"} if number % 2 else {}
            with contextlib.suppress(tabard.TabardError):
                await task.authorize("tick", {}, timeout_seconds=0.0005 * (number % 12 + 1), **named)
        await zone.parts().stages.decisions.settled()

        async def agree():
            found = [one["result"] for one in _records(zone) if one["event"] == "outcome"]
            noted = sum(one.get("facts", {}).get("ticks", 0) for one in found if not one.get("replayed"))
            await task.authorize("orders.get", {"id": "x"})
            return _records(zone)[-1]["input"]["task"]["facts"]["ticks"] == noted

        await eventually(agree)

    async def test_long_facts_stand_once_in_a_file_of_the_log(self, zone):
        """A record says what it leaves out of the list, and is complete with the records before it."""
        task = await zone.start_task()
        ids = [f"{number:04}".ljust(200, "x") for number in range(60)]
        for one in ids:
            await task.authorize("orders.get", {"id": one})
        await task.authorize("tick", {})
        raw = (zone.folder / "orchestrator" / "decisions.log").read_text().splitlines()
        assert len(raw[-1]) < 4000 < len(json.dumps(ids))
        assert _records(zone)[-1]["input"]["task"]["facts"]["seen"] == ids

    async def test_a_retry_notes_once(self, zone):
        task = await zone.start_task()
        await task.authorize("orders.get", {"id": "#W1"})
        for _ in range(3):
            await task.authorize("orders.cancel", {"id": "#W1"}, request_id="r-1")
        await task.authorize("tick", {}, request_id="t")
        await task.authorize("tick", {}, request_id="t")
        await task.authorize("fetch", {})
        record = _records(zone)[-1]
        facts = {"cancelled": ["#W1"], "made": [], "mails": 1, "own": [], "seen": ["#W1"], "ticks": 1}
        assert record["input"]["task"]["facts"] == facts

    async def test_what_could_not_be_issued_notes_nothing(self, zone, monkeypatch):
        task = await zone.start_task()
        await task.authorize("orders.get", {"id": "#W1"})
        issuer = zone.parts().stages.issuers.get("jwt")

        def broken(_request):
            raise RuntimeError("no entropy")

        with monkeypatch.context() as patch:
            patch.setattr(issuer, "compute", broken)
            with pytest.raises(tabard.TabardError):
                await task.authorize("orders.cancel", {"id": "#W1"})
        await task.authorize("orders.cancel", {"id": "#W1"})

    async def test_a_credential_that_notes_isnt_renewed_and_a_renewal_reads_facts(self, zone):
        task = await zone.start_task()
        await task.authorize("orders.get", {"id": "#W1"})
        once = await task.authorize("orders.cancel", {"id": "#W1"})
        assert (await refused(task.renew(once.credential, {"id": "#W1"}))).code == "credential_invalid"
        fetched = await task.authorize("fetch", {})
        await task.authorize("tick", {})
        await task.renew(fetched.credential, {})
        await task.authorize("tick", {})
        assert (await refused(task.renew(fetched.credential, {}))).code == "no_grant"

    async def test_only_a_backend_takes_back_what_its_call_noted(self, zone):
        """Once, and only of a call of its own; what an agent says of a failure changes nothing."""
        task = await zone.start_task()
        await task.authorize("orders.get", {"id": "#W1"})
        decision = await task.authorize("orders.cancel", {"id": "#W1"})
        await task.report_outcome(decision, succeeded=False)
        assert (await refused(task.authorize("orders.cancel", {"id": "#W1"}))).code == "no_grant"

        def signed(audience="shop", **parts):
            return signed_by(zone, audience, **{"decision_id": decision.decision_id, **parts})

        for forged in (signed("other", failed=True), signed(failed=True, decision_id="another")):
            with pytest.raises(tabard.TabardError):
                await task.report_outcome(decision, signed_outcome=forged)
        assert (await refused(task.authorize("orders.cancel", {"id": "#W1"}))).code == "no_grant"
        failure = signed(failed=True)
        await task.report_outcome(decision, signed_outcome=failure)
        await task.authorize("orders.cancel", {"id": "#W1"})
        await task.report_outcome(decision, signed_outcome=failure)
        assert (await refused(task.authorize("orders.cancel", {"id": "#W1"}))).code == "no_grant"

    async def test_a_failure_of_one_of_several_uses_takes_nothing_back(self, zone):
        """The first use did what the second finds done: the fact stays, and so does the charge."""
        task = await zone.start_task()
        decision = await task.authorize("orders.cancel_twice", {"id": "#W1"})
        assert decision.credential.uses == 2
        for said in (
            {"failed": True},
            {"refunds": {"cents": 40}},
            {"failed": True, "refunds": {"cents": 40}},
        ):
            told = signed_by(zone, "shop", decision_id=decision.decision_id, labels=["untrusted"], **said)
            with pytest.raises(tabard.TabardError, match="several uses") as caught:
                await task.report_outcome(decision, signed_outcome=told)
            assert caught.value.code == "outcome_invalid"
        assert (await refused(task.authorize("orders.cancel_twice", {"id": "#W1"}))).code == "no_grant"
        await task.authorize("orders.cancel_twice", {"id": "#W2"})
        denied = await refused(task.authorize("orders.cancel_twice", {"id": "#W3"}))
        assert denied.code == "budget_exhausted"
        assert (await zone.store.tree((await task.get()).task_id)).labels == ("untrusted",)

    async def test_only_what_this_task_made_is_removed(self, zone):
        """The backend signs the id of what was made, under a name that the grant lists, and once."""
        task, other = await zone.start_task(), await zone.start_task()
        decision = await task.authorize("files.make", {})

        def signed(**parts):
            return signed_by(zone, "shop", decision_id=decision.decision_id, **parts)

        for facts in ({"made": ["x" * 513]}, {"made": [""]}, {"made": ["/a", "\ud800"]}):
            with pytest.raises(tabard.TabardError) as caught:
                await task.report_outcome(decision, signed_outcome=signed(facts=facts))
            assert caught.value.code == "outcome_invalid"
        assert (await refused(task.authorize("files.remove", {"path": "/a"}))).code == "no_grant"
        await task.report_outcome(
            decision, signed_outcome=signed(facts={"made": ["/a"], "cancelled": ["#W1"]})
        )
        await task.authorize("orders.get", {"id": "#W1"})
        await task.authorize("orders.cancel", {"id": "#W1"})
        await task.authorize("files.remove", {"path": "/a"})
        assert (await refused(other.authorize("files.remove", {"path": "/a"}))).code == "no_grant"
        with pytest.raises(tabard.TabardError):
            await task.report_outcome(decision, signed_outcome=signed(facts={"made": ["/b"]}))
        assert (await refused(task.authorize("files.remove", {"path": "/b"}))).code == "no_grant"

    async def test_a_tool_is_offered_once_a_fact_opens_it(self, zone):
        """An answer about the tools doesn't outlast the facts on which it was given."""
        task = await zone.start_task()
        tools = ["files.make", "files.archive"]
        assert [tool.name for tool in await task.filter_tools(tools)] == ["files.make"]
        decision = await task.authorize("files.make", {})
        made = signed_by(zone, "shop", decision_id=decision.decision_id, facts={"made": ["/a"]})
        await task.report_outcome(decision, signed_outcome=made)
        assert [tool.name for tool in await task.filter_tools(tools)] == tools

    async def test_an_outcome_whose_facts_dont_fit_counts_without_them(self, zone):
        """An agent whose look-ups fill the task's facts keeps neither labels nor costs away."""
        task = await zone.start_task()
        decision = await task.authorize("files.make", {})
        for number in range(59):
            await task.authorize("orders.get", {"id": f"{number}".ljust(500, "x")})
        facts = {"made": [f"{number}".ljust(500, "x") for number in range(5)]}
        parts = {"facts": facts, "labels": ["untrusted"], "charges": {"cents": 30}}
        told = signed_by(zone, "shop", decision_id=decision.decision_id, **parts)
        for _ in range(2):
            with pytest.raises(tabard.TabardError) as caught:
                await task.report_outcome(decision, signed_outcome=told)
            assert caught.value.code == "outcome_invalid"
        await task.authorize("orders.cancel_twice", {"id": "#W1"})
        denied = await refused(task.authorize("orders.cancel_twice", {"id": "#W2"}))
        assert denied.code == "budget_exhausted"
        await task.authorize("files.make", {})
        assert _records(zone)[-1]["input"]["budgets"]["cents"]["spent"] == 70
        assert (await refused(task.authorize("files.remove", {"path": facts["made"][0]}))).code == "no_grant"
        found = await zone.store.tree((await task.get()).task_id)
        assert found.labels == ("untrusted",)

    async def test_a_task_that_is_full_of_facts_is_told_so(self, zone):
        """A code of its own for too long an element, and for one too many; what notes nothing is still allowed."""
        task = await zone.start_task()
        assert (await refused(task.authorize("orders.get", {"id": "ü" * 257}))).code == "facts_exceeded"
        await task.authorize("orders.get", {"id": "ü" * 256})
        number, denied = 0, None
        while denied is None and number < 300:
            number += 1
            try:
                await task.authorize("orders.get", {"id": f"{number}".ljust(500, "x")})
            except tabard.Denied as refusal:
                denied = refusal
        assert denied.code == "facts_exceeded"
        assert 50 < number < 70
        assert (await refused(task.authorize("orders.get", {"id": "y" * 500}))).code == "facts_exceeded"
        await task.authorize("fetch", {})
        await (await zone.start_task()).authorize("tick", {})

    async def test_the_log_says_what_was_noted(self, zone):
        task = await zone.start_task()
        await task.authorize("orders.get", {"id": "#W1"})
        decision = await task.authorize("orders.cancel", {"id": "#W1"})
        found = [one for one in _records(zone) if one["decision_id"] == decision.decision_id]
        assert found[-1]["result"]["facts"] == {"cancelled": ["#W1"], "mails": 1}

    async def test_an_approved_call_notes_when_it_is_made(self, zone, capsys, monkeypatch):
        """Neither asking nor approving notes anything; a second approval of the same call isn't asked for."""
        impatience(monkeypatch)
        task, call = await zone.start_task(), {"id": "rare-1"}
        await task.authorize("orders.get", call)
        (pending,) = (await refused(task.authorize("orders.cancel", call))).approvals
        await terminal(zone, capsys)("approve", pending.approval_id, token=zone.approver())
        approved = zone.agent("orchestrator").task(pending.call_grant)
        discharge = await poll(zone, pending)
        assert _records(zone)[-1]["result"].get("facts") is None
        await approved.authorize("orders.cancel", call, discharges=[discharge])
        assert _records(zone)[-1]["result"]["facts"] == {"cancelled": ["rare-1"], "mails": 1}
        denied = await refused(task.authorize("orders.cancel", call))
        assert denied.approvals == ()
        assert "no_grant" in {reason.code for reason in denied.reasons}

    async def test_a_restart_forgets_no_fact(self, zone):
        task = await zone.start_task()
        await task.authorize("orders.get", {"id": "#W1"})
        await zone.restart()
        again = zone.agent("orchestrator").task(task.grant)
        await again.authorize("orders.cancel", {"id": "#W1"})
        assert (await refused(again.authorize("orders.cancel", {"id": "#W1"}))).code == "no_grant"
