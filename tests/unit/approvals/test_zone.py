"""From the agent's call to the person's terminal and back, through real sidecars and real sockets."""

import asyncio
import io
import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
import tabard
from tabard import _approvals, macaroon
from tabard.authz.v1 import approval_service_pb2 as approval_pb
from tabard.authz.v1 import approval_service_pb2_grpc as approval_grpc
from tabard.authz.v1 import authorization_service_pb2 as pb
from tabard.caveats import Limits
from tabard.delegation import branch
from tabard_sidecar.cli import main

from demo.world import PERSON, spiffe_id
from tests.support.asking import AskingZone

LARGE = {"to": "ACME", "cents": 20_000}
HUGE = {"to": "ACME", "cents": 200_000}


@pytest.fixture
def folder():
    made = Path(tempfile.mkdtemp(prefix="tb", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def zone(folder, monkeypatch):
    for name in list(os.environ):
        if name.startswith("TABARD_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(_approvals, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(_approvals, "LONGEST_PAUSE_SECONDS", 0.05)
    async with AskingZone(folder) as started:
        yield started


@pytest.fixture
def command(zone, folder, capsys):
    """Runs ``tabard approvals …`` against a sidecar, as a person in finance would."""

    async def run(*arguments, token=None, workload="orchestrator"):
        given = ["approvals", *arguments, "--operator", zone.operator(workload)]
        if token is not None:
            (folder / "token").write_text(token + "\n")
            given += ["--token-file", str(folder / "token"), "--yes"]
        capsys.readouterr()
        code = await asyncio.to_thread(main, given)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


async def asked(task, arguments=LARGE, **options):
    with pytest.raises(tabard.ApprovalRequired) as caught:
        await task.authorize("pay", arguments, **options)
    return caught.value


async def waiting(command):
    _, out, _ = await command("list", "--json")
    return json.loads(out)["approvals"]


async def until_waiting(command):
    async with asyncio.timeout(10):
        while not (rows := await waiting(command)):  # noqa: ASYNC110 - as a person would look
            await asyncio.sleep(0.01)
    return rows


async def test_a_small_payment_asks_nobody(zone, command):
    task = await zone.start_task()
    assert (await task.authorize("pay", {"to": "ACME", "cents": 5})).credential is not None
    assert await waiting(command) == []


async def test_from_the_agent_to_the_person_and_back(zone, command):
    task = await zone.start_task()
    calling = asyncio.create_task(task.authorize("pay", LARGE, wait_for_approval=20))
    (row,) = await until_waiting(command)
    assert not calling.done()
    # Somebody at another sidecar of the zone decides.
    code, out, _ = await command("approve", row["approval_id"], token=zone.approver(), workload="triage")
    decision = await calling
    assert code == 0
    assert "approved by cleo: 1 call(s) until" in out
    assert decision.credential.audience == "bank"

    record = json.loads((zone.sidecars["orchestrator"].folder / "decisions.log").read_text().splitlines()[-2])
    (approval,) = record["input"]["approvals"]
    assert approval["approver"] == {"id": "cleo", "issuer": row["subject"]["issuer"]}
    assert (approval["module"], approval["code"]) == ("bank", "large")


async def test_a_person_refuses(zone, command):
    task = await zone.start_task()
    calling = asyncio.create_task(task.authorize("pay", LARGE, wait_for_approval=20))
    (row,) = await until_waiting(command)
    code, out, _ = await command("deny", row["approval_id"], token=zone.approver())
    assert (code, "denied by cleo" in out) == (0, True)
    with pytest.raises(tabard.ApprovalRequired) as caught:
        await calling
    assert caught.value.code == "approval_denied"
    # Nagging gets the same answer.
    with pytest.raises(tabard.ApprovalRequired) as caught:
        await task.authorize("pay", LARGE, wait_for_approval=20)
    assert caught.value.code == "approval_denied"


async def test_one_approval_is_one_call(zone, command):
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


async def poll(zone, pending):
    client = zone.agent("orchestrator")
    request = pb.GetApprovalRequest(call_grant=pending.call_grant, approval_id=pending.approval_id)
    return (await client._connection.authorization.GetApproval(request)).discharge


async def test_of_many_callers_one_gets_through(zone, command):
    task = await zone.start_task()
    (pending,) = (await asked(task)).approvals
    await command("approve", pending.approval_id, token=zone.approver())
    discharge = await poll(zone, pending)
    approved = zone.agent("orchestrator").task(pending.call_grant)
    answers = await asyncio.gather(
        *(approved.authorize("pay", LARGE, discharges=[discharge]) for _ in range(16)), return_exceptions=True
    )
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
    assert all(isinstance(answer, tabard.Denied) for answer in answers if isinstance(answer, BaseException))


async def test_another_call_with_the_approved_grant(zone, command):
    task = await zone.start_task()
    (pending,) = (await asked(task)).approvals
    await command("approve", pending.approval_id, token=zone.approver())
    discharge = await poll(zone, pending)
    approved = zone.agent("orchestrator").task(pending.call_grant)
    for arguments in (LARGE | {"cents": 20_001}, LARGE | {"to": "MALLORY"}, {"to": "ACME", "cents": 1}):
        with pytest.raises(tabard.Denied) as caught:
            await approved.authorize("pay", arguments, discharges=[discharge])
        assert caught.value.code == "call_mismatch"


async def test_two_people_for_a_very_large_payment(zone, command):
    task = await zone.start_task()
    calling = asyncio.create_task(task.authorize("pay", HUGE, wait_for_approval=20))
    rows = await until_waiting(command)
    by_code = {row["code"]: row["approval_id"] for row in rows}
    assert set(by_code) == {"large", "very_large"}
    code, _, err = await command("approve", by_code["very_large"], token=zone.approver())
    assert (code, "approver_not_entitled" in err) == (1, True)
    assert (await command("approve", by_code["large"], token=zone.approver()))[0] == 0
    await asyncio.sleep(0.1)
    assert not calling.done()
    berta = zone.approver("berta", groups=["board"])
    assert (await command("approve", by_code["very_large"], token=berta))[0] == 0
    assert (await calling).allowed


async def test_at_a_terminal(zone):
    """A real terminal: the call is shown, and only a yes approves it."""
    task = await zone.start_task()
    (pending,) = (await asked(task)).approvals
    arguments = ["approvals", "approve", pending.approval_id, "--operator", zone.operator()]
    for answer, code, status in (("n", 1, "waits"), ("y", 0, "approved")):
        seen, exit_code = await asyncio.to_thread(
            at_terminal, arguments, answer, {"TABARD_APPROVER_TOKEN": zone.approver()}
        )
        assert exit_code == code
        assert '"cents": 20000' in seen
        assert "Approve exactly this call? [y/N]" in seen
        assert status in seen


def at_terminal(arguments, answer, environment):
    """Run the command at a terminal of its own and answer its question."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tabard_sidecar.cli", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, **environment},
    ) as process:
        os.close(slave)
        seen = b""
        while b"[y/N]" not in seen:
            seen += os.read(master, 4096)
        os.write(master, f"{answer}\n".encode())
        process.wait(30)
        os.set_blocking(master, False)
        with suppress(OSError):
            while chunk := os.read(master, 4096):
                seen += chunk
    os.close(master)
    return seen.decode(), process.returncode


async def test_nobody_at_the_terminal(zone, command):
    """Without a terminal nothing is decided unless --yes says so."""
    task = await zone.start_task()
    (pending,) = (await asked(task)).approvals
    code, _, err = await command("approve", pending.approval_id)
    assert (code, "add --yes" in err) == (2, True)
    (row,) = await waiting(command)
    assert row["status"] == "pending"


async def test_the_token_is_taken_from_standard_input(zone, command, monkeypatch):
    task = await zone.start_task()
    (pending,) = (await asked(task)).approvals
    monkeypatch.setattr(sys, "stdin", io.StringIO(zone.approver() + "\n"))
    code, out, err = await command("approve", pending.approval_id, "--yes", "--json")
    assert code == 0
    document = json.loads(out)
    assert (document["status"], document["approver"]["id"]) == ("approved", "cleo")
    assert '"cents": 20000' in err  # what was approved is shown all the same
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    (other,) = (await asked(task, HUGE | {"cents": 30_000})).approvals
    code, _, err = await command("deny", other.approval_id, "--yes")
    assert (code, "no approver's token" in err) == (2, True)


async def test_what_does_not_exist(zone, command):
    for arguments, token in ((["show", "0" * 32], None), (["approve", "0" * 32], zone.approver())):
        code, _, err = await command(*arguments, token=token)
        assert (code, "approval_unknown" in err) == (1, True)


async def test_decided_already(zone, command):
    task = await zone.start_task()
    (pending,) = (await asked(task)).approvals
    await command("deny", pending.approval_id, token=zone.approver())
    code, _, err = await command("approve", pending.approval_id, token=zone.approver())
    assert (code, "approval_decided" in err) == (1, True)


async def test_list_in_words(zone, command):
    assert (await command("list"))[1] == "nothing waits\n"
    task = await zone.start_task()
    (pending,) = (await asked(task)).approvals
    out = (await command("list"))[1]
    assert out.startswith(f"{pending.approval_id}  pending ")
    assert f'{PERSON}  tool "pay"  payments over 100 need a second person' in out
    await command("approve", pending.approval_id, token=zone.approver())
    assert (await command("list"))[1] == "nothing waits\n"
    assert f"{pending.approval_id}  approved" in (await command("list", "--all"))[1]


async def test_watch(zone, command):
    task = await zone.start_task()
    (pending,) = (await asked(task)).approvals
    watching = asyncio.create_task(
        asyncio.to_thread(
            watch, ["approvals", "watch", "--json", "--interval", "0.1", "--operator", zone.operator()]
        )
    )
    await asyncio.sleep(0)
    process = await watching
    try:
        first = json.loads(await asyncio.to_thread(process.stdout.readline))
        assert (first["event"], first["approval_id"]) == ("waits", pending.approval_id)
        await command("approve", pending.approval_id, token=zone.approver())
        second = json.loads(await asyncio.to_thread(process.stdout.readline))
        assert (second["event"], second["approver"]["id"]) == ("approved", "cleo")
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)
        process.stdout.close()


def watch(arguments):
    """Start the command as a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "tabard_sidecar.cli", *arguments], stdout=subprocess.PIPE)


async def test_four_eyes_through_the_terminal(zone, command):
    task = await zone.start_task()
    (pending,) = (await asked(task)).approvals
    code, _, err = await command("approve", pending.approval_id, token=zone.approver(PERSON))
    assert (code, "approver_is_subject" in err) == (1, True)


async def test_the_agents_own_tokens(zone, command):
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


async def test_agents_cannot_reach_the_approvals(zone):
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


async def test_five_wait_and_a_sixth_is_denied(zone, command):
    task = await zone.start_task()
    for number in range(5):
        assert len((await asked(task, LARGE | {"cents": 20_000 + number})).approvals) == 1
    with pytest.raises(tabard.Denied) as caught:
        await task.authorize("pay", LARGE | {"cents": 30_000})
    assert caught.value.code == "approvals_exceeded"
    assert len(await waiting(command)) == 5
    # Another task of the zone isn't held up by that.
    assert len((await asked(await zone.start_task())).approvals) == 1


async def test_a_role_that_nobody_has(zone):
    task = await zone.start_task()
    with pytest.raises(tabard.Denied) as caught:
        await task.authorize("pay", {"to": "ACME", "cents": 13})
    assert caught.value.code == "approver_unknown"


async def test_a_denied_call_asks_nobody(zone, command):
    task = await zone.start_task()
    with pytest.raises(tabard.Denied) as caught:
        await task.authorize("pay", LARGE | {"to": "closed"}, wait_for_approval=20)
    assert "closed" in {reason.code for reason in caught.value.reasons}
    assert await waiting(command) == []


async def test_an_approval_does_not_outlive_its_task(zone, command):
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


async def test_a_call_grant_is_good_for_nothing_else(zone):
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


async def test_handed_to_another_workload(zone, command):
    """What a delegate asks for shows the whole chain, and is the delegate's only."""
    task = await zone.start_task()
    helper = branch((await zone.hand_to(task, "triage")).grant, "\u202ehelper", Limits())
    (pending,) = (await asked(zone.agent("triage").task(helper))).approvals
    code, out, _ = await command("show", pending.approval_id)
    assert code == 0
    assert f"handed to  {spiffe_id('triage')}" in out
    assert f"asks now   {spiffe_id('triage')}" in out
    assert r'calls its part "\u202ehelper"' in out
    assert "\u202e" not in out
    # The other workload's sidecar doesn't hand the discharge out.
    request = pb.GetApprovalRequest(call_grant=pending.call_grant, approval_id=pending.approval_id)
    with pytest.raises(grpc.RpcError) as caught:
        await zone.agent("orchestrator")._connection.authorization.GetApproval(request)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_no_secret_in_any_log(zone, command, folder):
    task = await zone.start_task()
    token = zone.approver()
    (pending,) = (await asked(task, LARGE | {"note": "arguments-of-the-call"})).approvals
    await command("approve", pending.approval_id, token=token)
    discharge = await poll(zone, pending)
    approved = zone.agent("orchestrator").task(pending.call_grant)
    await approved.authorize("pay", LARGE | {"note": "arguments-of-the-call"}, discharges=[discharge])
    written = b"".join(
        path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "token"
    )
    for secret in (token, discharge, pending.call_grant, task.grant):
        assert secret.encode() not in written
    (store,) = folder.glob("state.db")
    kept = store.read_bytes() + b"".join(path.read_bytes() for path in folder.glob("state.db-*"))
    assert b"arguments-of-the-call" not in kept


async def test_too_large_a_grant_is_denied(zone):
    task = await zone.start_task()
    full = task.grant
    while len(full) < macaroon.MAX_CHARS - 700:
        full = macaroon.append(full, [b'{"tools":["*","%s"],"type":"tools"}' % (b"x" * 400)])
    while len(full) < macaroon.MAX_CHARS - 60:
        full = macaroon.append(full, [b'{"tools":["*"],"type":"tools"}'])
    with pytest.raises(tabard.Denied) as caught:
        await zone.agent("orchestrator").task(full).authorize("pay", LARGE)
    assert caught.value.code == "grant_too_large"
