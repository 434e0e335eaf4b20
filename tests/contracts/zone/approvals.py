"""Contract of a zone: approvals, from the agent's call to the person's decision and back, through real sockets."""

import asyncio
import json

import grpc
import pytest
import tabard
from tabard import macaroon
from tabard.authz.v1 import approval_service_pb2 as approval_pb
from tabard.authz.v1 import approval_service_pb2_grpc as approval_grpc
from tabard.caveats import Limits
from tabard.delegation import branch

from testbed.world import PERSON, spiffe_id
from tests.support.asking import HUGE, LARGE, asked, poll, until_waiting, waiting


class ZoneApprovalsContract:
    """Tests that ask for the fixtures ``zone``, under the policy of ``tests.support.asking``, and ``command``."""

    async def test_a_small_payment_needs_no_approval(self, zone, command):
        task = await zone.start_task()
        assert (await task.authorize("pay", {"to": "ACME", "cents": 5})).credential.audience == "bank"
        assert await waiting(command) == []

    async def test_from_the_agent_to_the_person_and_back(self, zone, command):
        """A call that waits goes on when a person approves it at another sidecar; the record names the person."""
        task = await zone.start_task()
        calling = asyncio.create_task(task.authorize("pay", LARGE, wait_for_approval=60))
        (row,) = await until_waiting(command)
        assert not calling.done()
        # A person at another sidecar of the zone decides.
        code, out, _ = await command("approve", row["approval_id"], token=zone.approver(), workload="triage")
        decision = await calling
        assert code == 0
        assert 'approved by "cleo": 1 call(s) until' in out
        assert decision.credential.audience == "bank"

        record = json.loads(
            (zone.sidecars["orchestrator"].folder / "decisions.log").read_text().splitlines()[-2]
        )
        (approval,) = record["input"]["approvals"]
        assert approval["approver"] == {"id": "cleo", "issuer": row["subject"]["issuer"]}
        assert (approval["module"], approval["code"]) == ("bank", "large")

    async def test_a_list_from_the_agent_to_the_person_and_back(self, zone, command):
        """A batch waits as one list, is shown with what differs and what it comes to, and goes on when it is approved."""
        task = await zone.start_task()
        calls = [tabard.ToolCall("pay", LARGE | {"cents": 20_000 + number}) for number in range(3)]
        small = tabard.ToolCall("pay", {"to": "ACME", "cents": 5})
        calling = asyncio.create_task(task.batch([*calls, small], wait_for_approval=60))
        rows = await until_waiting(command, 3)
        (group,) = {row["group_id"] for row in rows}
        _, listed, _ = await command("list", workload="triage")
        assert f"{group}  pending" in listed
        assert '3 x tool "pay"' in listed
        code, out, _ = await command("show", group)
        assert code == 0
        _, document, _ = await command("show", group, "--json")
        shown = json.loads(document)
        assert (shown["waiting"], len(shown["approvals"])) == (3, 3)
        assert shown["digest"] in out
        (counted,) = shown["totals"]
        (cents,) = [one for one in counted["arguments"] if one["argument"] == "cents"]
        assert (cents["total"], cents["least"], cents["most"], cents["different"]) == (
            60_003,
            20_000,
            20_002,
            3,
        )
        code, out, _ = await command(
            "approve", group, "--digest", shown["digest"], token=zone.approver(), workload="triage"
        )
        assert (code, 'approved by "cleo": 3 call(s) until' in out) == (0, True)
        decisions = await calling
        assert [decision.allowed for decision in decisions] == [True] * 4
        assert all(decision.credential.audience == "bank" for decision in decisions)
        assert await waiting(command) == []

    async def test_a_batch_that_is_repeated_by_its_request_ids_names_the_same_list(self, zone, command):
        task = await zone.start_task()
        calls = [
            tabard.ToolCall("pay", LARGE | {"cents": 20_000 + number}, request_id=f"r-{number}")
            for number in range(3)
        ]
        first, again = [[one.approvals for one in await task.batch(calls)] for _ in range(2)]
        assert again == first
        assert {pending.group_id for (pending,) in again} == {
            row["group_id"] for row in await waiting(command)
        }

    async def test_one_call_of_a_list_is_denied(self, zone, command):
        task = await zone.start_task()
        calls = [tabard.ToolCall("pay", LARGE | {"cents": 20_000 + number}) for number in range(3)]
        calling = asyncio.create_task(task.batch(calls, wait_for_approval=60))
        rows = await until_waiting(command, 3)
        group = rows[0]["group_id"]
        by_cents = {}
        _, document, _ = await command("show", group, "--json")
        for row in json.loads(document)["approvals"]:
            by_cents[row["arguments"]["cents"]] = row["approval_id"]
        digest = json.loads(document)["digest"]
        arguments = ["approve", group, "--digest", digest, "--deny", by_cents[20_001]]
        code, out, _ = await command(*arguments, token=zone.approver())
        assert code == 0
        assert 'approved by "cleo": 2 call(s)' in out
        assert 'denied by "cleo": 1 call(s)' in out
        assert [decision.code for decision in await calling if not decision.allowed] == ["approval_denied"]

    async def test_a_list_that_has_changed_is_not_decided(self, zone, command):
        """Neither by a digest of before nor by the ids that were shown; and never without either."""
        task = await zone.start_task()
        calls = [tabard.ToolCall("pay", LARGE | {"cents": 20_000 + number}) for number in range(3)]
        (first, _) = await task.batch(calls[:2])
        group = first.approvals[0].group_id
        _, document, _ = await command("show", group, "--json")
        digest = json.loads(document)["digest"]
        await task.batch(calls)
        for more, told, code in (
            (("--digest", digest), "approval_group_changed", 1),
            ((), "add --digest", 2),
            (("--digest", digest, "--deny", "a" * 32), "no such call", 2),
        ):
            answer, _, err = await command("approve", group, *more, token=zone.approver())
            assert (answer, told in err) == (code, True)
        assert {row["status"] for row in await waiting(command)} == {"pending"}
        assert len(await waiting(command)) == 3

    async def test_a_person_refuses(self, zone, command):
        """A call that waits raises the refusal, and so does asking again."""
        task = await zone.start_task()
        calling = asyncio.create_task(task.authorize("pay", LARGE, wait_for_approval=60))
        (row,) = await until_waiting(command)
        code, out, _ = await command("deny", row["approval_id"], token=zone.approver())
        assert (code, 'denied by "cleo"' in out) == (0, True)
        with pytest.raises(tabard.ApprovalRequired) as caught:
            await calling
        assert caught.value.code == "approval_denied"
        # A repeated request asks no person, and neither do other arguments.
        for arguments in (LARGE, *(LARGE | {"i": number} for number in range(8))):
            with pytest.raises(tabard.Denied) as denied:
                await task.authorize("pay", arguments, wait_for_approval=60)
            assert denied.value.code == "approval_denied"
        assert await waiting(command) == []

    async def test_one_approval_is_one_call(self, zone, command):
        task = await zone.start_task()
        (pending,) = (await asked(task)).approvals
        await command("approve", pending.approval_id, token=zone.approver())
        discharge = await poll(zone, pending)
        approved = zone.agent("orchestrator").task(pending.call_grant)
        assert await approved.authorize("pay", LARGE, request_id="r-1", discharges=[discharge])
        # A retry of the same request is the same call.
        assert await approved.authorize("pay", LARGE, request_id="r-1", discharges=[discharge])
        for options in ({}, {"request_id": "r-2"}):
            with pytest.raises(tabard.Denied) as caught:
                await approved.authorize("pay", LARGE, discharges=[discharge], **options)
            assert caught.value.code == "approval_used"
        (again,) = (await asked(task)).approvals
        assert again.approval_id != pending.approval_id

    async def test_of_many_callers_one_gets_through(self, zone, command):
        task = await zone.start_task()
        (pending,) = (await asked(task)).approvals
        await command("approve", pending.approval_id, token=zone.approver())
        discharge = await poll(zone, pending)
        approved = zone.agent("orchestrator").task(pending.call_grant)
        answers = await asyncio.gather(
            *(approved.authorize("pay", LARGE, discharges=[discharge]) for _ in range(16)),
            return_exceptions=True,
        )
        assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
        assert all(
            isinstance(answer, tabard.Denied) for answer in answers if isinstance(answer, BaseException)
        )

    async def test_another_call_with_the_approved_grant(self, zone, command):
        task = await zone.start_task()
        (pending,) = (await asked(task)).approvals
        await command("approve", pending.approval_id, token=zone.approver())
        discharge = await poll(zone, pending)
        approved = zone.agent("orchestrator").task(pending.call_grant)
        for arguments in (LARGE | {"cents": 20_001}, LARGE | {"to": "MALLORY"}, {"to": "ACME", "cents": 1}):
            with pytest.raises(tabard.Denied) as caught:
                await approved.authorize("pay", arguments, discharges=[discharge])
            assert caught.value.code == "call_mismatch"

    async def test_two_people_for_a_very_large_payment(self, zone, command):
        """Two asks have to be approved, each by a person who has its role."""
        task = await zone.start_task()
        pendings = sorted((await asked(task, HUGE)).approvals, key=lambda pending: pending.code)
        calling = asyncio.create_task(task.authorize("pay", HUGE, wait_for_approval=60))
        rows = await waiting(command)
        by_code = {row["code"]: row["approval_id"] for row in rows}
        assert set(by_code) == {"large", "very_large"}
        code, _, err = await command("approve", by_code["very_large"], token=zone.approver())
        assert (code, "approver_not_entitled" in err) == (1, True)
        assert (await command("approve", by_code["large"], token=zone.approver()))[0] == 0
        assert [bool(await poll(zone, pending)) for pending in pendings] == [True, False]
        assert not calling.done()
        berta = zone.approver("berta", groups=["board"])
        assert (await command("approve", by_code["very_large"], token=berta))[0] == 0
        assert (await calling).allowed

    async def test_four_eyes_through_the_terminal(self, zone, command):
        """The subject of a task cannot approve its calls."""
        task = await zone.start_task()
        (pending,) = (await asked(task)).approvals
        code, _, err = await command("approve", pending.approval_id, token=zone.approver(PERSON))
        assert (code, "approver_is_subject" in err) == (1, True)

    async def test_the_agents_own_tokens(self, zone, command):
        """No token that an agent has or can get approves, and none approves twice."""
        task = await zone.start_task()
        (pending,) = (await asked(task)).approvals
        subject_token = zone.issuer.access_token("cleo", groups=["finance"])
        code, _, err = await command("approve", pending.approval_id, token=subject_token)
        assert (code, "subject_token_audience" in err) == (1, True)
        exchanged = zone.approver(act={"sub": spiffe_id("orchestrator")})
        code, _, err = await command("approve", pending.approval_id, token=exchanged)
        assert (code, "approver_is_agent" in err) == (1, True)
        used = zone.approver()
        assert (await command("approve", pending.approval_id, token=used))[0] == 0
        (other,) = (await asked(task, LARGE | {"cents": 30_000})).approvals
        code, _, err = await command("approve", other.approval_id, token=used)
        assert (code, "approver_token_used" in err) == (1, True)

    async def test_agents_cannot_reach_the_approvals(self, zone):
        """The agents' socket doesn't serve them at all."""
        async with grpc.aio.insecure_channel(zone.sidecars["orchestrator"].address) as channel:
            stub = approval_grpc.ApprovalServiceStub(channel)
            for call in (
                stub.ListApprovals(approval_pb.ListApprovalsRequest()),
                stub.DecideApproval(
                    approval_pb.DecideApprovalRequest(approval_id="a", approver_token="t", approve=True)
                ),
            ):
                with pytest.raises(grpc.RpcError) as caught:
                    await call
                assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

    async def test_five_wait_and_a_sixth_is_denied(self, zone, command):
        task = await zone.start_task()
        for number in range(5):
            assert len((await asked(task, LARGE | {"cents": 20_000 + number})).approvals) == 1
        with pytest.raises(tabard.Denied) as caught:
            await task.authorize("pay", LARGE | {"cents": 30_000})
        assert caught.value.code == "approvals_exceeded"
        assert len(await waiting(command)) == 5
        # Another task of the zone isn't held up by that.
        assert len((await asked(await zone.start_task())).approvals) == 1

    async def test_a_delegate_takes_nothing_from_its_caller(self, zone, command):
        """Neither places nor the right to ask; and once its part is ended, nothing of it waits or is approved."""
        task = await zone.start_task()
        handed = await zone.hand_to(task, "triage")
        pendings = []
        for number in range(5):
            pendings += (await asked(handed, LARGE | {"cents": 20_000 + number})).approvals
        with pytest.raises(tabard.Denied) as caught:
            await handed.authorize("pay", LARGE | {"cents": 30_000})
        assert caught.value.code == "approvals_exceeded"
        await asked(task)
        assert (await command("deny", pendings[0].approval_id, token=zone.approver()))[0] == 0
        (own,) = (await asked(task, LARGE | {"cents": 40_000})).approvals
        for refused in (handed, handed.branch("helper"), await zone.hand_to(handed, "orchestrator")):
            with pytest.raises(tabard.Denied) as caught:
                await refused.authorize("pay", LARGE | {"cents": 50_000})
            assert caught.value.code == "approval_denied"
        assert len(await waiting(command)) == 6
        await handed.end()
        assert {row["agent"] for row in await waiting(command)} == {spiffe_id("orchestrator")}
        for verb in ("approve", "deny"):
            code, _, err = await command(verb, pendings[1].approval_id, token=zone.approver())
            assert (code, "nothing to decide" in err) == (1, True)
        assert (await command("approve", own.approval_id, token=zone.approver()))[0] == 0

    async def test_a_role_that_is_not_configured_denies(self, zone):
        task = await zone.start_task()
        with pytest.raises(tabard.Denied) as caught:
            await task.authorize("pay", {"to": "ACME", "cents": 13})
        assert caught.value.code == "approver_unknown"

    async def test_a_denied_call_asks_no_person(self, zone, command):
        task = await zone.start_task()
        with pytest.raises(tabard.Denied) as caught:
            await task.authorize("pay", LARGE | {"to": "closed"}, wait_for_approval=60)
        assert "closed" in {reason.code for reason in caught.value.reasons}
        assert await waiting(command) == []

    async def test_an_approval_does_not_outlive_its_task(self, zone, command):
        task = await zone.start_task()
        (pending,) = (await asked(task)).approvals
        await command("approve", pending.approval_id, token=zone.approver())
        discharge = await poll(zone, pending)
        await task.end()
        with pytest.raises(tabard.Denied) as caught:
            await (
                zone.agent("orchestrator")
                .task(pending.call_grant)
                .authorize("pay", LARGE, discharges=[discharge])
            )
        assert caught.value.code == "task_ended"

    async def test_a_call_grant_is_good_for_nothing_else(self, zone):
        task = await zone.start_task()
        (pending,) = (await asked(task)).approvals
        approved = zone.agent("orchestrator").task(pending.call_grant)
        for attempt in (
            approved.authorize("pay", LARGE),
            approved.delegate(spiffe_id("triage"), Limits()),
            approved.filter_tools(["pay"]),
            approved.get(),
        ):
            with pytest.raises(tabard.Denied) as caught:
                await attempt
            assert caught.value.code == "discharge_missing"

    async def test_handed_to_another_workload(self, zone, command):
        """What a delegate asks for shows the whole chain, and is the delegate's only."""
        task = await zone.start_task()
        helper = branch((await zone.hand_to(task, "triage")).grant, "\u202ehelper", Limits())
        (pending,) = (await asked(zone.agent("triage").task(helper))).approvals
        code, out, _ = await command("show", pending.approval_id)
        assert code == 0
        assert "\u202e" not in out
        # No terminal tells its width here, so the rows are short.
        verified, _, agents = out.partition("The agent's words")
        facts = verified.replace("\n             ", "")
        assert f"handed to  {spiffe_id('triage')}, part 2\n" in facts
        assert f"asks now   {spiffe_id('triage')}\n" in facts
        assert r'agent ▏ part 2    "\u202ehelper"' in agents
        # The other workload's sidecar doesn't hand the discharge out.
        with pytest.raises(grpc.RpcError) as caught:
            await poll(zone, pending, workload="orchestrator")
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED

    async def test_too_large_a_grant_is_denied(self, zone):
        task = await zone.start_task()
        full = task.grant
        while len(full) < macaroon.MAX_CHARS - 700:
            full = macaroon.append(full, [b'{"tools":["*","%s"],"type":"tools"}' % (b"x" * 400)])
        while len(full) < macaroon.MAX_CHARS - 60:
            full = macaroon.append(full, [b'{"tools":["*"],"type":"tools"}'])
        with pytest.raises(tabard.Denied) as caught:
            await zone.agent("orchestrator").task(full).authorize("pay", LARGE)
        assert caught.value.code == "grant_too_large"
