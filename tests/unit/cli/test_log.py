"""`tabard log` on logs that real sidecars wrote."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import grpc
import pytest
import tabard
from tabard.authz.v1 import approval_service_pb2 as approval_pb
from tabard.authz.v1 import approval_service_pb2_grpc as approval_grpc
from tabard.authz.v1 import authorization_service_pb2 as pb
from tabard.authz.v1 import authorization_service_pb2_grpc as pb_grpc
from tabard.caveats import Limits
from tabard_sidecar.cli import main
from tabard_sidecar.records.reading import joined

from testbed.world import PERSON, spiffe_id
from tests.support.asking import LARGE, POLICY, ROLES, asked, poll
from tests.support.operators import operators


@pytest.fixture
async def zone(start_zone):
    return await start_zone(policy=POLICY, overrides={"approvals.roles": ROLES})


def shown(capsys, zone, *options, workload="orchestrator"):
    """The entries that `tabard log --json` prints."""
    code = main(["log", "search", str(zone.sidecars[workload].logs[0]), "--json", *options])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == (0 if found else 1)
    return found


async def test_an_approved_call_by_a_delegate_says_everything(zone, capsys):
    """One entry per decision: person, chain, tool, rule, credential, and who approved it."""
    task = await zone.start_task()
    handed = await zone.hand_to(task, "triage", Limits(tools=["pay"]))
    (pending,) = (await asked(handed, LARGE)).approvals
    async with grpc.aio.insecure_channel(zone.operator("triage")) as channel:
        await approval_grpc.ApprovalServiceStub(channel).DecideApproval(
            approval_pb.DecideApprovalRequest(
                approval_id=pending.approval_id, approver_token=zone.approver(), approve=True
            )
        )
    discharge = await poll(zone, pending, "triage")
    approved = zone.agent("triage").task(pending.call_grant)
    allowed = await approved.authorize("pay", LARGE, discharges=[discharge])

    log = str(zone.sidecars["triage"].logs[0])
    assert main(["log", "show", allowed.decision_id, log, "--json"]) == 0
    entry = json.loads(capsys.readouterr().out)
    assert entry["effect"] == "allow"
    assert entry["operation"] == "authorize"
    assert entry["subject"]["id"] == PERSON
    assert entry["chain"][-1] == entry["agent"] == spiffe_id("triage")
    assert spiffe_id("orchestrator") in entry["chain"]
    assert (entry["tool"], entry["task_id"]) == ("pay", task.info.task_id)
    assert entry["rules"] == [{"module": "bank", "code": "pay"}]
    assert entry["credential_id"] == allowed.credential.credential_id
    assert entry["audience"] == "bank"
    assert entry["approvers"][0]["id"] == "cleo"

    (decided,) = shown(capsys, zone, "--operation", "decide_approval", workload="triage")
    assert decided["effect"] == "approved"
    assert decided["by"]["approver"]["id"] == "cleo"
    assert (decided["tool"], decided["task_id"]) == ("pay", task.info.task_id)
    assert decided["rules"] == [{"module": "bank", "code": "large"}]

    waited = shown(capsys, zone, "--effect", "deny", "--tool", "pay", workload="triage")
    assert waited[0]["rules"]
    started, delegated = shown(capsys, zone, "--task", task.info.task_id)
    assert (started["operation"], delegated["operation"]) == ("start_task", "delegate")
    assert delegated["delegatee"] == spiffe_id("triage")
    assert started["link"] != delegated["link"]
    assert delegated["link"] == (await handed.get()).chain[-1].link_id
    found = shown(capsys, zone, "--task", task.info.task_id, workload="triage")
    assert {one["operation"] for one in found} >= {"authorize", "decide_approval"}
    assert shown(capsys, zone, "--code", "bank.pay", workload="triage")
    assert not shown(capsys, zone, "--tool", "none", workload="triage")


async def test_a_decision_is_shown_with_its_reason_first(zone, capsys, monkeypatch):
    """Why it is denied stands above all other rows; an id that isn't there is a negative result."""
    task = await zone.start_task(limits=Limits(tools=["pay"]))
    with pytest.raises(tabard.Denied) as denied:
        await task.authorize("other.tool", {})
    monkeypatch.chdir(zone.sidecars["orchestrator"].folder)
    assert main(["log", "show", denied.value.decision_id]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert "deny" in rows[0]
    assert rows[1].lstrip().startswith("why")
    assert main(["log", "show", denied.value.decision_id, "--input"]) == 1
    assert main(["log", "show", "none"]) == 1
    assert "no decision 'none' is in the log" in capsys.readouterr().err


async def test_what_operators_and_strangers_did_is_shown_for_people(zone, capsys):
    """A revocation names its process; a request without a grant its size and digest; a caveat's refusal who asked."""
    task = await zone.start_task(limits=Limits(tools=["pay"]))
    with pytest.raises(tabard.Denied):
        await task.authorize("other.tool", {})
    async with grpc.aio.insecure_channel(zone.sidecars["orchestrator"].address) as channel:
        request = pb.AuthorizeRequest(grant="garbage")
        request.tool.name, request.tool.arguments_json = "noise", b'{"a": 1}'
        await pb_grpc.AuthorizationServiceStub(channel).Authorize(request)
    async with operators(zone.operator()) as client:
        await client.revoke(agent_id=spiffe_id("triage"), reason="odd \x1b[31m")
    assert main(["log", "search", str(zone.sidecars["orchestrator"].logs[0])]) == 0
    out = capsys.readouterr().out
    assert "deny     authorize\n" in out
    assert 'agent ▏ tool "other.tool"' in out
    assert f"person     {PERSON} at " in out
    assert "made     revoke" in out
    assert "process " in out
    assert '"reason": "odd \\u001b[31m"' in re.sub(r"\n[^▏\n]*▏>", "", out)
    assert "no verified grant or token: 8 bytes, SHA-256 " in out
    assert "\x1b" not in out


def test_an_answer_that_is_given_again_does_not_end_the_decision():
    """A replay that is recorded between a decision's intent and its outcome takes nothing from either."""
    credential = {"id": "c", "kind": "jwt", "audience": "bank"}
    asked = {"tool": {"name": "pay"}}
    records = [
        {"decision_id": "d", "event": "intent", "input": asked, "result": {"credential": credential}},
        {
            "decision_id": "d",
            "event": "outcome",
            "input": asked,
            "result": {"decision": "allow", "replayed": True},
        },
        {"decision_id": "d", "event": "outcome", "result": {"decision": "allow", "credential": {"id": "c"}}},
    ]
    again, first = (entry.as_json() for entry in joined(records))
    assert (again["replayed"], again["audience"], again["tool"]) == (True, "", "pay")
    assert (first["replayed"], first["audience"], first["tool"]) == (False, "bank", "pay")


async def test_the_log_is_that_of_the_configuration_here(zone, capsys, monkeypatch, tmp_path):
    """Without files; records of another zone are refused with both zones, however the file was named."""
    await (await zone.start_task()).end()
    folder = zone.sidecars["orchestrator"].folder
    monkeypatch.chdir(folder)
    assert main(["log", "search", "--operation", "start_task"]) == 0
    captured = capsys.readouterr()
    assert "start_task" in captured.out
    assert captured.err == f"reading {folder}/decisions.log of zone support\n"
    monkeypatch.chdir(tmp_path)
    log = str(zone.sidecars["orchestrator"].logs[0])
    assert main(["log", "search", log]) == 0
    (tmp_path / "tabard.yaml").write_text("zone: shop\n")
    capsys.readouterr()
    for options in ([], ["--json"], ["--input"]):
        assert main(["log", "search", log, *options]) == 3
        error = capsys.readouterr().err
        assert f"of zone support, and zone shop is meant ({tmp_path}/tabard.yaml)" in error
        assert "--zone" in error
    assert main(["log", "search", log, "--zone", "support"]) == 0
    assert main(["log", "search", log, "--config", str(folder / "tabard.yaml")]) == 0
    capsys.readouterr()
    assert main(["audit", "verify", "--config", str(folder / "tabard.yaml")]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("intact: ")
    assert captured.err == f"reading {folder}/decisions.log of zone support\n"
    assert main(["log", "search"]) == 2
    assert "audit.path" in capsys.readouterr().err


async def test_a_logged_decision_is_decided_again(zone, capsys, tmp_path):
    """With the policy of then, and with one that was changed since."""
    task = await zone.start_task()
    allowed = await task.authorize("pay", {**LARGE, "cents": 1})
    log = str(zone.sidecars["orchestrator"].logs[0])
    (tmp_path / "bank.rego").write_text(POLICY["bank/bank.rego"])
    again = ["policy", "eval", str(tmp_path), "--from-log", allowed.decision_id, "--log", log]
    assert await asyncio.to_thread(main, again) == 0
    (tmp_path / "bank.rego").write_text(POLICY["bank/bank.rego"].replace('"pay"', '"paid"'))
    assert await asyncio.to_thread(main, again) == 1
    capsys.readouterr()


def written(folder, *times):
    """A log with one decision at each time."""
    log = folder / "decisions.jsonl"
    record = {"event": "outcome", "operation": "authorize", "result": {"decision": "allow"}}
    log.write_text(
        "".join(
            f"{json.dumps({**record, 'decision_id': str(number), 'timestamp': time})}\n"
            for number, time in enumerate(times)
        )
    )
    return str(log)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), "0123"),
        (("--since", "2026-01-31T08:00"), "123"),
        (("--since", "2026-01-31T09:00+01:00"), "123"),
        (("--since", "2026-01-31T08:00:00.000001"), "23"),
        (("--until", "2026-01-31T08:00"), "0"),
        (("--since", "2026-01-31", "--until", "2026-02-01"), "012"),
        (("--since", "2026-02-02"), ""),
        (("--since", "8h"), ""),
    ],
)
def test_a_range_of_time_begins_with_since_and_ends_before_until(capsys, tmp_path, options, found):
    log = written(
        tmp_path,
        "2026-01-31T07:59:59.999999999Z",
        "2026-01-31T08:00:00.000000000Z",
        "2026-01-31T23:59:59.000000000Z",
        "2026-02-01T00:00:00.000000000Z",
    )
    assert main(["log", "search", log, "--json", *options]) == (0 if found else 1)
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["decision_id"] for line in lines] == list(found)


def test_a_duration_is_a_time_ago(capsys, tmp_path):
    now = datetime.now(UTC)
    times = [(now - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S.000000000Z") for hours in (9, 7)]
    assert main(["log", "search", written(tmp_path, *times), "--since", "8h", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["decision_id"] == "1"


@pytest.mark.parametrize("text", ["yesterday", "8", "2026-13-01", "", "99999999999999d"])
def test_what_is_no_time_is_told_with_the_forms(capsys, tmp_path, text):
    assert main(["log", "search", written(tmp_path), "--since", text]) == 2
    assert "write 15m, 8h or 7d" in capsys.readouterr().err


def test_a_large_log_is_read_line_by_line(tmp_path):
    """Searching 64 MB takes a few megabytes of memory."""
    log = tmp_path / "decisions.jsonl"
    line = json.dumps({"event": "outcome", "timestamp": "2026", "result": {"x": "y" * 4000}})
    with log.open("w") as stream:
        for _ in range(16_000):
            stream.write(f"{line}\n")
    code = (
        "import resource, sys; from tabard_sidecar.cli import main; main(['log', '--help']);"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        f"main(['log', {str(log)!r}, '--since', '2027', '--code', 'none']);"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert int(run.stderr.split()[-1]) < 32
