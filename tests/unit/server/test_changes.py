"""Records of what operators, approvers and holders change: who, what, in the chain of decisions."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
import time

import grpc
import pytest
import tabard
from tabard.authz.v1 import approval_service_pb2 as approval_pb
from tabard.authz.v1 import approval_service_pb2_grpc as approval_grpc
from tabard_sidecar.records.verification import Audit

from testbed.world import spiffe_id
from tests.support.asking import LARGE, POLICY, ROLES, asked
from tests.support.operators import operators
from tests.support.spending import POLICY as SPENDING
from tests.support.spending import pay, signed_by, spent

READ = ("tickets.read", {"ticket_id": "t-1"})
SELF = {"uid": os.getuid(), "gid": os.getgid(), "pid": os.getpid()}


def records(zone, operation, workload="orchestrator"):
    path = zone.sidecars[workload].logs[0]
    audit = Audit()
    audit.read(io.BytesIO(path.read_bytes()))
    audit.finish()
    assert audit.intact
    return [
        record
        for record in map(json.loads, path.read_bytes().splitlines())
        if record.get("operation") == operation
    ]


async def test_a_revocation_and_its_lift_say_which_process_made_them(start_zone):
    """The kernel's word about the other end of the socket, with target and reason; a lift is recorded before it is made."""
    zone = await start_zone(workloads=("orchestrator",))
    agent_id = spiffe_id("orchestrator")
    async with operators(zone.operator()) as client:
        await client.revoke(agent_id=agent_id, reason="smells \x1b[31m")
        await client.lift(agent_id=agent_id)
    (revoked,) = records(zone, "revoke")
    assert revoked["by"] == {"operator": SELF}
    assert revoked["input"] == {"agent_id": agent_id, "reason": "smells \x1b[31m"}
    assert revoked["result"]["change"] == "made"
    intent, lifted = records(zone, "lift_revocation")
    assert (intent["event"], lifted["event"]) == ("intent", "outcome")
    assert intent["decision_id"] == lifted["decision_id"]
    assert lifted["by"] == {"operator": SELF}
    assert lifted["result"] == {"change": "made", "lifted": True}


async def test_another_process_is_named_by_its_own_pid(start_zone):
    """Not the sidecar's own, and not what the client says."""
    zone = await start_zone(workloads=("orchestrator",))
    command = [
        *(sys.executable, "-m", "tabard_sidecar.cli", "revoke", "agent", "spiffe://x/y"),
        *("--operator", zone.operator()),
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = await process.communicate()
    assert process.returncode == 0, out + err
    (revoked,) = records(zone, "revoke")
    assert revoked["by"]["operator"]["pid"] == process.pid


async def test_a_refused_revocation_is_recorded_too(start_zone):
    """Who tried what, with the code."""
    zone = await start_zone(workloads=("orchestrator",))
    async with operators(zone.operator()) as client:
        with pytest.raises(grpc.aio.AioRpcError):
            await client.revoke(task_id="00000000-0000-4000-8000-000000000000")
    (refused,) = records(zone, "revoke")
    assert refused["result"]["change"] == "refused"
    assert refused["result"]["reasons"][0]["code"] == "task_not_found"


async def test_a_holders_own_changes_are_recorded(start_zone):
    """Ending a task, revoking a credential and reporting an outcome name workload, person and task."""
    zone = await start_zone(workloads=("orchestrator",))
    task = await zone.start_task()
    allowed = await task.authorize(*READ)
    with contextlib.suppress(tabard.InvalidRequest):  # the call took nothing, so it isn't stored
        await task.report_outcome(allowed, labels=["seen"])
    await task.revoke(allowed.credential)
    await task.end()
    for operation, about in (
        (
            "report_outcome",
            {
                "decision_id": allowed.decision_id,
                "said": {"charges": {}, "labels": ["reported:seen"], "succeeded": True},
            },
        ),
        ("revoke_credential", {"credential_id": allowed.credential.credential_id}),
        ("end_task", {}),
    ):
        (change,) = records(zone, operation)
        assert change["by"]["agent"]["id"] == spiffe_id("orchestrator")
        assert change["by"]["task"]["id"] == task.info.task_id
        assert change["by"]["subject"]["id"]
        assert about.items() <= change["input"].items()


@pytest.mark.parametrize("approve", [True, False])
async def test_an_approvers_decision_names_person_process_call_and_rule(start_zone, approve):
    """Granted and refused alike; an approval is recorded before it is given."""
    zone = await start_zone(workloads=("orchestrator",), policy=POLICY, overrides={"approvals.roles": ROLES})
    task = await zone.start_task()
    (pending,) = (await asked(task, LARGE)).approvals
    async with grpc.aio.insecure_channel(zone.operator()) as channel:
        stub = approval_grpc.ApprovalServiceStub(channel)
        request = approval_pb.DecideApprovalRequest(
            approval_id=pending.approval_id, approver_token="nonsense", approve=approve
        )
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.DecideApproval(request)
        request.approver_token = zone.approver()
        await stub.DecideApproval(request)
    found = records(zone, "decide_approval")
    outcomes = [record for record in found if record["event"] == "outcome"]
    assert len(found) - len(outcomes) == (2 if approve else 0)
    refused, decided = outcomes
    assert refused["result"]["change"] == "refused"
    assert refused["by"] == {"operator": SELF}
    assert decided["by"]["operator"] == SELF
    assert decided["by"]["approver"]["id"] == "cleo"
    assert decided["result"]["approval"] == ("approved" if approve else "denied")
    assert decided["result"]["tool"] == "pay"
    assert decided["result"]["reasons"][0]["code"] == "large"
    assert decided["result"]["task_id"] == task.info.task_id
    assert decided["input"] == {"approval_id": pending.approval_id, "approve": approve}


async def test_each_call_of_a_decided_group_has_a_record_of_its_own(start_zone):
    """Approved and denied ones; what is approved is recorded before it is given, and a refusal for every call."""
    zone = await start_zone(workloads=("orchestrator",), policy=POLICY, overrides={"approvals.roles": ROLES})
    task = await zone.start_task()
    decisions = await task.batch([tabard.ToolCall("pay", LARGE | {"note": str(n)}) for n in range(3)])
    ids = [decision.approvals[0].approval_id for decision in decisions]
    group = decisions[0].approvals[0].group_id
    async with grpc.aio.insecure_channel(zone.operator()) as channel:
        stub = approval_grpc.ApprovalServiceStub(channel)
        request = approval_pb.DecideApprovalGroupRequest(
            group_id=group, approver_token="nonsense", approve_ids=ids[:2], deny_ids=ids[2:]
        )
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.DecideApprovalGroup(request)
        request.approver_token = zone.approver()
        answer = await stub.DecideApprovalGroup(request)
    assert [one.approval_id for one in answer.approvals] == ids
    found = records(zone, "decide_approval")
    assert [one["event"] for one in found] == [*["intent"] * 2, *["outcome"] * 3] * 2
    assert [one["result"]["change"] for one in found[2:5]] == ["refused"] * 3
    for record, approval_id, approved in zip(found[7:], ids, (True, True, False), strict=True):
        assert record["input"] == {"approval_id": approval_id, "approve": approved, "group_id": group}
        assert record["result"]["approval"] == ("approved" if approved else "denied")
        assert record["result"]["tool"] == "pay"
        assert record["by"]["approver"]["id"] == "cleo"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"group_id": "group-1"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"approve_ids": ["a"]}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"group_id": "group-1", "approve_ids": ["a"], "deny_ids": ["a"]}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"group_id": "group-1", "deny_ids": ["a"] * 26}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"group_id": "group-1", "deny_ids": [""]}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"group_id": "x" * 65, "deny_ids": ["a"]}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"group_id": "group-1", "approve_ids": ["a"]}, grpc.StatusCode.NOT_FOUND),
    ],
)  # fmt: skip
async def test_a_decision_about_a_group_names_it_and_each_call_once(start_zone, fields, status):
    zone = await start_zone(workloads=("orchestrator",), policy=POLICY, overrides={"approvals.roles": ROLES})
    async with grpc.aio.insecure_channel(zone.operator()) as channel:
        request = approval_pb.DecideApprovalGroupRequest(approver_token=zone.approver(), **fields)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await approval_grpc.ApprovalServiceStub(channel).DecideApprovalGroup(request)
    assert caught.value.code() is status


async def paid(start_zone, **outcome):
    """Return a zone, a task that paid 100 cents, the decision, and an outcome of it that the bank signed."""
    zone = await start_zone(workloads=("orchestrator",), policy=SPENDING)
    task = await zone.start_task()
    decision = await pay(task, 100)
    signed = signed_by(zone, "bank", decision_id=decision.decision_id, **outcome)
    return zone, task, decision, signed


async def test_what_the_holder_says_and_what_the_backend_signed_are_recorded_apart(start_zone):
    """A reader sees whose words are whose, and which report was a repeat."""
    zone, task, decision, signed = await paid(start_zone, charges={"cents": 1}, labels=["clean"])
    for _ in range(2):
        await task.report_outcome(decision, charges={"cents": 7}, labels=["seen"], signed_outcome=signed)
    await task.report_outcome(decision, charges={"cents": 7}, succeeded=False)
    first, second, third = records(zone, "report_outcome")
    assert first["input"] == {
        "decision_id": decision.decision_id,
        "said": {"charges": {"cents": 7}, "labels": ["reported:seen"], "succeeded": True},
        "signed": {"by": "bank", "charges": {"cents": 1}, "refunds": {}, "labels": ["clean"]},
    }
    assert "repeated" not in first["result"]
    assert second["result"]["repeated"] is True
    assert third["input"] == {
        "decision_id": decision.decision_id,
        "said": {"charges": {"cents": 7}, "labels": [], "succeeded": False},
    }
    assert 115 in (await spent(zone, task)).values()


async def test_a_refund_is_recorded_before_it_is_made(start_zone):
    """While the log can't be written there is none; afterwards the same outcome still counts, with both records."""
    zone, task, decision, signed = await paid(start_zone, refunds={"cents": 60})
    with broken_log(zone), pytest.raises(tabard.TabardError) as caught:
        await task.report_outcome(decision, signed_outcome=signed)
    assert caught.value.code == "audit_unavailable"
    assert 100 in (await spent(zone, task)).values()
    await task.report_outcome(decision, signed_outcome=signed)
    assert 40 in (await spent(zone, task)).values()
    assert [record["event"] for record in records(zone, "report_outcome")] == ["intent", "outcome"]


@contextlib.contextmanager
def broken_log(zone):
    """Keep the decision log from being written for the length of a block."""
    path = zone.sidecars["orchestrator"].logs[0]
    path.rename(path.with_name("moved"))
    path.mkdir()
    zone.parts().log.reopen()
    yield
    path.rmdir()
    path.with_name("moved").rename(path)
    zone.parts().log.reopen()


async def test_with_a_broken_log_a_revocation_holds_and_a_lift_does_not(start_zone):
    """Taking authority doesn't wait for a disk; giving it does. Both callers get an error that says so."""
    zone = await start_zone(workloads=("orchestrator",))
    task = await zone.start_task()
    agent_id = spiffe_id("orchestrator")
    async with operators(zone.operator()) as client:
        with broken_log(zone):
            with pytest.raises(grpc.aio.AioRpcError, match="was done, but its record wasn't written"):
                await client.revoke(agent_id=agent_id)
            with pytest.raises(grpc.aio.AioRpcError, match="the decision log can't be written"):
                await client.lift(agent_id=agent_id)
        assert len(await client.revoked()) == 1
    with pytest.raises(tabard.Denied) as caught:
        await task.authorize(*READ)
    assert caught.value.code == "agent_revoked"


async def test_a_caller_that_gives_up_hides_no_change(start_zone, monkeypatch):
    """The change goes on to its record, whatever its caller does."""
    zone = await start_zone(workloads=("orchestrator",))
    store, reached = zone.parts().stages.changes, asyncio.Event()
    write = store._log.record

    async def slow(record):
        reached.set()
        await asyncio.sleep(0.2)
        await write(record)

    monkeypatch.setattr(store._log, "record", slow)
    async with operators(zone.operator()) as client:
        revoking = asyncio.create_task(client.revoke(agent_id=spiffe_id("triage")))
        await reached.wait()
        revoking.cancel()
        await asyncio.sleep(0.5)
    (revoked,) = records(zone, "revoke")
    assert revoked["result"]["change"] == "made"


async def test_an_operator_waits_for_a_busy_sidecar(start_zone):
    """The gate needs some turns of the event loop to connect a command; under load these take a while."""
    zone = await start_zone(workloads=("orchestrator",))
    command = [sys.executable, "-m", "tabard_sidecar.cli", "revoke", "list", "--operator", zone.operator()]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    listed = asyncio.create_task(process.communicate())
    while not listed.done():
        time.sleep(0.1)  # noqa: ASYNC251 - the load
        await asyncio.sleep(0)
    out, err = await listed
    assert (process.returncode, out) == (0, b"nothing is revoked\n"), err


async def test_the_socket_beside_the_operators_changes_nothing(start_zone):
    """A request that doesn't come through the gate has no peer that could be recorded, so it is refused."""
    zone = await start_zone(workloads=("orchestrator",))
    inner = zone.operator()[:-1] + "~"
    async with operators(inner) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.revoke(agent_id=spiffe_id("orchestrator"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    async with operators(zone.operator()) as client:
        assert await client.revoked() == []


async def test_many_operators_at_once_are_told_apart_and_leave_nothing_behind(start_zone):
    """Connections end cleanly, idle ones included, and more than the bound are closed."""
    zone = await start_zone(workloads=("orchestrator",))
    path = zone.operator().removeprefix("unix:")
    idle = []
    for _ in range(200):
        with contextlib.suppress(OSError):
            idle.append(await asyncio.open_unix_connection(path))
    await asyncio.sleep(0.2)
    for _, writer in idle:
        writer.close()
    await asyncio.sleep(0.2)
    async with operators(zone.operator()) as client:
        assert await client.revoked() == []
