"""Contract of a zone: budgets, labels and history through real sidecars that share a store."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from uuid import uuid4

import pytest
import tabard
from tabard.caveats import Limits
from tabard_sidecar.state.labels import COLLAPSED
from tabard_sidecar.state.store import REPORTED_PER_HOLDER

from tests.support.policy import around_decide
from tests.support.spending import pay, refused, signed_by, spent
from tests.support.waiting import next_second


class ZoneStateContract:
    """Tests of a zone's state; the module of a subclass has the fixtures ``zone`` and ``tampering``."""

    async def test_a_budget_is_spent_and_then_denies_by_name(self, zone):
        """What doesn't fit any more is denied, what still fits isn't."""
        task = await zone.start_task()
        await pay(task, 900)
        denied = await refused(pay(task, 101))
        assert denied.code == "budget_exhausted"
        await pay(task, 100)
        assert (await refused(pay(task, 1))).code == "budget_exhausted"
        assert sorted((await spent(zone, task)).values()) == [2, 1000]
        found = (await zone.store.tree((await task.get()).task_id)).budgets
        assert {(budget.name, budget.limit) for budget in found.values()} == {("cents", 1000), ("calls", 50)}

    async def test_a_charge_without_a_budget_is_denied(self, zone):
        """What the root grant doesn't state isn't granted."""
        task = await zone.start_task()
        denied = await refused(task.authorize("gamble", {}))
        assert denied.code == "budget_not_granted"

    async def test_every_ancestor_pays_or_none_does(self, zone):
        """A hop's own budget is the smaller one; a call that exceeds it takes nothing from any budget."""
        task = await zone.start_task()
        child = await zone.hand_to(task, "triage")
        await pay(child, 200)
        before = await spent(zone, task)
        assert (await refused(pay(child, 150))).code == "budget_exhausted"
        assert await spent(zone, task) == before
        await pay(child, 100)
        await pay(task, 700)
        assert (await refused(pay(task, 1))).code == "budget_exhausted"

    async def test_a_branch_narrows_its_budget_offline(self, zone):
        """A budget that was appended offline is enforced beside those above."""
        task = await zone.start_task()
        branch = task.branch("buyer", Limits(budgets={"cents": 50}))
        await pay(branch, 50)
        assert (await refused(pay(branch, 1))).code == "budget_exhausted"
        await pay(task, 950)

    async def test_callers_together_never_overspend(self, zone):
        """32 payments at once on two sidecars: exactly as many are allowed as the budget holds."""
        task = await zone.start_task()
        child = await zone.hand_to(task, "triage", Limits(budgets={"cents": 100_000}))
        answers = await asyncio.gather(
            *(pay(one, 60) for _ in range(16) for one in (task, child)), return_exceptions=True
        )
        allowed = [answer for answer in answers if not isinstance(answer, BaseException)]
        assert {type(answer) for answer in answers} == {tabard.Decision, tabard.Denied}
        assert max((await spent(zone, task)).values()) == 60 * len(allowed) <= 1000
        # The hop adds 300 of its own: the child gets five, the parent the rest.
        assert len(allowed) == 16

    async def test_a_retry_is_charged_once(self, zone):
        """The same request_id gets the same decision and is no second payment."""
        task = await zone.start_task()
        first = await pay(task, 600, request_id="r-1")
        again = await pay(task, 600, request_id="r-1")
        assert first.decision_id == again.decision_id
        assert max((await spent(zone, task)).values()) == 600

    async def test_a_restart_forgets_nothing(self, zone):
        """Stored answers, budgets, labels and ends are there again; a retry is answered and not charged
        twice."""
        task, ended = await zone.start_task(), await zone.start_task()
        first = await pay(task, 600, request_id="r-1")
        await task.authorize("web.read", {})
        await ended.end()
        await zone.restart()
        again, gone = (zone.agent("orchestrator").task(one.grant) for one in (task, ended))
        assert (await pay(again, 600, request_id="r-1")).credential.value == first.credential.value
        assert (await refused(pay(again, 401))).code == "budget_exhausted"
        assert (await refused(again.authorize("send", {}))).code == "tainted"
        assert (await refused(pay(gone, 1))).code == "task_ended"

    async def test_a_holder_revokes_its_credential(self, zone):
        """It is inactive then, and another one isn't."""
        task = await zone.start_task()
        first, other = [(await pay(task, 1)).credential for _ in range(2)]
        await task.revoke(first)
        assert not await task.introspect(first)
        assert await task.introspect(other)

    async def test_what_was_read_stays_with_the_task_and_its_successors(self, zone):
        """A label denies in every part of the task, and in the next task of the same person and workload."""
        task = await zone.start_task()
        child = await zone.hand_to(task, "triage")
        await task.authorize("send", {})
        await child.authorize("web.read", {})
        assert (await refused(task.authorize("send", {}))).code == "tainted"
        assert (await refused(child.branch("b").authorize("send", {}))).code == "tainted"
        after = await zone.start_task()
        assert (await refused(after.authorize("send", {}))).code == "tainted"

    async def test_a_branch_label_stays_below_the_branch(self, zone):
        """Policy may say that a label concerns the branch only."""
        task = await zone.start_task()
        branch = task.branch("reader")
        await branch.authorize("note", {})
        assert (await refused(branch.authorize("send", {}))).code == "noted"
        assert (await refused(branch.branch("below").authorize("send", {}))).code == "noted"
        await task.authorize("send", {})

    async def test_history_holds_the_calls_of_the_whole_task(self, zone):
        """Two payments by two holders are in the sight of a third."""
        task = await zone.start_task()
        child = await zone.hand_to(task, "triage")
        await pay(task, 1)
        await task.authorize("send", {})
        await pay(child, 1)
        assert (await refused(task.branch("c").authorize("send", {}))).code == "paid_before"

    async def test_a_call_beside_an_untrusted_read_cannot_use_the_old_history(self, zone):
        """Between asking policy and taking the call another call reads: policy is asked again, and denies."""
        task = await zone.start_task()
        policy = zone.parts().policy
        asked = []

        async def slow(decide, operation, input_json, **options):
            decision = await decide(operation, input_json, **options)
            asked.append(json.loads(input_json)["tool"]["name"])
            if asked == ["send"]:
                await task.authorize("web.read", {})
            return decision

        policy.lease = around_decide(policy, slow)
        assert (await refused(task.authorize("send", {}))).code == "tainted"
        assert asked == ["send", "web.read", "send"]

    async def test_an_agent_can_only_raise_a_cost_and_add_labels(self, zone):
        """Reporting adds up to the limit; a negative charge isn't a request."""
        task = await zone.start_task()
        decision = await pay(task, 100)
        await task.report_outcome(decision, charges={"cents": 200}, labels=["untrusted"])
        assert 300 in (await spent(zone, task)).values()
        assert (await refused(task.authorize("send", {}))).code == "tainted"
        assert (await zone.store.tree((await task.get()).task_id)).labels == ("reported:untrusted",)
        await task.report_outcome(decision, charges={"cents": 5000})
        assert max((await spent(zone, task)).values()) == 1000
        with pytest.raises(tabard.InvalidRequest):
            await task.report_outcome(decision, charges={"cents": -1})

    async def test_only_the_backend_gives_a_charge_back_and_once(self, zone):
        """A refund needs the signature of the credential's own audience, and never exceeds the charge."""
        task = await zone.start_task()
        decision = await pay(task, 400)

        def signed(audience="bank", **parts):
            return signed_by(zone, audience, **{"decision_id": decision.decision_id, **parts})

        for forged in (
            signed(audience="other", refunds={"cents": 400}),
            signed(audience="other", charges={"cents": 4}),
            signed(audience="other", labels=["untrusted"]),
            signed(refunds={"cents": 401}),
            signed(refunds={"cents": 400}, decision_id="another"),
            signed(refunds={"cents": 400})[:-4] + "AAAA",
            signed(refunds={"cents": 400}, now=1000.0),
        ):
            with pytest.raises(tabard.TabardError) as caught:
                await task.report_outcome(decision, signed_outcome=forged)
            assert caught.value.code == "outcome_invalid"
        assert 400 in (await spent(zone, task)).values()
        await task.report_outcome(decision, signed_outcome=signed(refunds={"cents": 150}))
        assert 250 in (await spent(zone, task)).values()
        with pytest.raises(tabard.TabardError) as caught:
            await task.report_outcome(decision, signed_outcome=signed(refunds={"cents": 1}))
        assert "another one was counted" in str(caught.value)
        for _ in range(3):
            await task.report_outcome(decision, signed_outcome=signed(refunds={"cents": 150}))
        assert 250 in (await spent(zone, task)).values()

    async def test_an_outcome_of_another_holders_decision_is_unknown(self, zone):
        """A sibling can't report on a decision that it didn't get."""
        task = await zone.start_task()
        decision = await pay(task, 1)
        with pytest.raises(tabard.TabardError) as caught:
            await task.branch("sibling").report_outcome(decision, charges={"cents": 5})
        assert caught.value.code == "decision_unknown"

    async def test_a_store_that_was_emptied_denies(self, zone, tampering):
        """A task that the store doesn't know is denied, because its spending is unknown."""
        task = await zone.start_task()
        await tampering.remove_tasks()
        assert (await refused(pay(task, 1))).code == "task_unknown"

    async def test_a_store_that_went_back_in_time_denies_what_began_before(self, zone, tampering):
        """Losing what was acknowledged is noticed; tasks of the time before are refused everywhere, new ones aren't."""
        task = await zone.start_task()
        child = await zone.hand_to(task, "triage")
        await pay(task, 10)
        await tampering.lose_writes()
        assert (await refused(pay(task, 1))).code == "state_rolled_back"
        assert (await refused(pay(task, 1))).code == "state_rolled_back"
        assert (await refused(pay(child, 1))).code == "state_rolled_back"
        await next_second()
        await pay(await zone.start_task(), 1)

    async def test_what_could_not_be_issued_costs_nothing(self, zone, monkeypatch):
        """A charge is given back if issuing fails before anything was handed out."""
        task = await zone.start_task()
        issuer = zone.parts().stages.issuers.get("jwt")

        def broken(_request):
            raise RuntimeError("no entropy")

        monkeypatch.setattr(issuer, "compute", broken)
        with pytest.raises(tabard.TabardError):
            await pay(task, 400)
        assert set((await spent(zone, task)).values()) <= {0}

    async def test_reported_labels_collapse(self, zone):
        """An agent that reports label after label fills no disk and no input, and stops neither itself nor others."""
        task = await zone.start_task()
        handed = await zone.hand_to(task, "triage")
        decision = await pay(handed, 1)
        for batch in range(8):
            await handed.report_outcome(decision, labels=[f"l-{batch}-{number}" for number in range(32)])
        await handed.report_outcome(decision, labels=["one more"])
        found = (await zone.store.tree((await task.get()).task_id)).labels
        assert len(found) == REPORTED_PER_HOLDER + 1
        assert COLLAPSED in found
        for one in (task, handed, await zone.start_task()):
            assert (await one.authorize("web.read", {})).allowed
            await pay(one, 1)

    async def test_no_second_task_washes_a_label_off(self, zone):
        """Neither one that was started before, nor one that starts now, nor one of a workload that had the task."""
        earlier, task = await zone.start_task(), await zone.start_task()
        theirs = await zone.start_task("triage")
        assert (await earlier.authorize("send", {})).allowed
        handed = await zone.hand_to(task, "triage")
        await handed.authorize("web.read", {})
        later = [await zone.start_task(workload) for workload in ("orchestrator", "triage")]
        for one in (task, handed, earlier, theirs, *later, task.branch("b"), earlier.branch("b")):
            assert (await refused(one.authorize("send", {}))).code == "tainted"

    async def test_what_is_read_elsewhere_is_handed_on_and_given_back(self, zone):
        """A workload that reads in a task of its own taints what it works on; so does one that hands on what it read."""
        task, own = await zone.start_task(), await zone.start_task("triage")
        handed = await zone.hand_to(task, "triage")
        assert (await task.authorize("send", {})).allowed
        await own.authorize("web.read", {})
        assert (await refused(handed.authorize("send", {}))).code == "tainted"
        await pay(handed, 1)
        assert (await refused(task.authorize("send", {}))).code == "tainted"

    async def test_who_is_handed_a_tainted_task_starts_no_clean_one(self, zone):
        """Even if it never made a call in the one that it was handed."""
        task = await zone.start_task()
        await task.authorize("web.read", {})
        await zone.hand_to(task, "triage")
        assert (await refused((await zone.start_task("triage")).authorize("send", {}))).code == "tainted"

    @pytest.mark.parametrize("kind", ["jwt", "macaroon"])
    async def test_a_label_lasts_as_long_as_the_credential_that_reads(self, zone, kind):
        """From the first call, and from a renewal, which counts as a call, too."""
        task, fetch = await zone.start_task(), {"kind": kind}
        credential = (await task.authorize("web.fetch", fetch)).credential
        started = (await zone.store.tree((await task.get()).task_id)).task

        async def inherited(since: float) -> tuple[str, ...]:
            later = replace(started, root_id=uuid4().hex, task_id=uuid4().hex, started_at=since + 30)
            return await zone.parts("triage").state.open_task(later, labels_since=since)

        renewed = await task.renew(credential, fetch)
        assert renewed.expires_at > credential.expires_at + 50
        for one in (credential, renewed):
            assert await inherited(one.expires_at - 2) == ("untrusted",)
        assert await inherited(renewed.expires_at + 2) == ()
        tree = await zone.store.tree((await task.get()).task_id)
        assert (tree.calls, tree.labels) == (2, ("untrusted",))

    async def test_a_branchs_labels_come_back_in_its_place(self, zone):
        """At the root in the next task and in one that was started before; in a branch of the same name."""
        earlier, task = await zone.start_task(), await zone.start_task()
        await task.branch("reader").authorize("note", {})
        for one in (task, earlier, await zone.start_task()):
            assert (await refused(one.branch("reader").authorize("send", {}))).code == "noted"
            assert (await one.branch("writer").authorize("send", {})).allowed
        await task.authorize("note", {})
        for one in (task, earlier, await zone.start_task()):
            assert (await refused(one.authorize("send", {}))).code == "noted"

    async def test_a_send_beside_a_read_in_another_task_is_decided_in_one_order(self, zone):
        """Many at once on cached states: no send is allowed after the read was."""
        reading, sending = await zone.start_task(), await zone.start_task()
        await pay(sending, 1)
        read = asyncio.create_task(reading.authorize("web.read", {}))
        sends = [asyncio.create_task(sending.authorize("send", {})) for _ in range(4)]
        await asyncio.wait([read, *sends])
        assert read.result().allowed
        assert (await refused(sending.authorize("send", {}))).code == "tainted"
