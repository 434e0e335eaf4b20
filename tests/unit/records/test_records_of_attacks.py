"""Attacks on the decision log of a real sidecar: filling it, hiding in it, breaking it."""

from __future__ import annotations

import contextlib
import io
import json
from hashlib import sha256

import grpc
import pytest
import tabard
from tabard.authz.v1 import authorization_service_pb2 as pb
from tabard.authz.v1 import authorization_service_pb2_grpc as pb_grpc
from tabard.authz.v1 import types_pb2 as types_pb
from tabard_sidecar.records.file_sink import closed_files
from tabard_sidecar.records.verification import Audit

from tests.support.waiting import eventually

READ = ("tickets.read", {"ticket_id": "t-1"})
SMALL = {"audit.max_bytes": 64 * 1024, "audit.max_total_bytes": 256 * 1024}


def log_of(zone):
    return zone.sidecars["orchestrator"].logs[0]


def records(zone):
    path = log_of(zone)
    files = [*(file for _, file in closed_files(path)), path]
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def audited(zone):
    path = log_of(zone)
    audit = Audit()
    for file in [*(file for _, file in closed_files(path)), path]:
        audit.read(io.BytesIO(file.read_bytes()))
    audit.finish()
    return audit


async def test_an_agent_without_a_grant_cannot_push_records_out(start_zone):
    """Any number of large requests with garbage grants: the record of a call before them stays, in a small log."""
    zone = await start_zone(workloads=("orchestrator",), overrides=SMALL)
    allowed = await (await zone.start_task()).authorize(*READ)
    async with grpc.aio.insecure_channel(zone.sidecars["orchestrator"].address) as channel:
        stub = pb_grpc.AuthorizationServiceStub(channel)
        tool = types_pb.ToolCall(
            name="noise", arguments_json=json.dumps({"filler": "y" * 200_000, "words": "hide me"}).encode()
        )
        for number in range(60):
            grant = ("", "AgEGdGFiYXJk" + "x" * 100, "garbage")[number % 3]
            answer = await stub.Authorize(pb.AuthorizeRequest(grant=grant, tool=tool))
            assert answer.decision.effect == types_pb.EFFECT_DENY
    kept = records(zone)
    assert allowed.decision_id in {record.get("decision_id") for record in kept}
    assert sum(file.stat().st_size for file in log_of(zone).parent.glob("decisions.log*")) < 64 * 1024
    assert not any("hide me" in json.dumps(record) for record in kept)
    short = [record["result"]["unverified"] for record in kept if "unverified" in record.get("result", {})]
    assert short
    assert all(len(one["sha256"]) == 64 for one in short)
    assert audited(zone).intact


async def flood(task):
    for _ in range(200):
        with contextlib.suppress(tabard.Denied):
            await task.authorize("tickets.read", {"ticket_id": "t" * 60_000})


async def test_a_holder_can_fill_its_log_but_removes_nothing(start_zone):
    """When the log is full, calls are denied and the sidecar isn't ready; every record is still there."""
    zone = await start_zone(workloads=("orchestrator",), overrides=SMALL)
    task = await zone.start_task()
    allowed = await task.authorize(*READ)
    with pytest.raises(tabard.Unavailable) as caught:
        await flood(task)
    assert caught.value.code == "audit_unavailable"
    with pytest.raises(tabard.Unavailable):
        await task.authorize("tickets.read", {"ticket_id": "t" * 60_000})
    assert not zone.running["orchestrator"].health.snapshot().ready
    assert allowed.decision_id in {record.get("decision_id") for record in records(zone)}
    assert audited(zone).intact
    assert audited(zone).starts_at == 1


async def test_a_denied_call_says_who_asked(start_zone):
    """The record of a call that a caveat refused names person, workload, task, tool and code."""
    zone = await start_zone(workloads=("orchestrator",))
    task = await zone.start_task()
    with pytest.raises(tabard.Denied):
        await task.authorize("secrets.read", {"name": "all"})
    last = records(zone)[-1]
    assert last["result"]["decision"] == "deny"
    assert last["result"]["reasons"][0]["code"]
    assert last["input"]["tool"]["name"] == "secrets.read"
    assert last["input"]["task"]["id"] == task.info.task_id
    assert last["input"]["agent"]["id"].endswith("orchestrator")
    assert last["input"]["subject"]["id"]


@pytest.mark.parametrize(
    ("rule", "argument"),
    [
        (
            'mask contains "/input/tool/arguments" if endswith(input.input.tool.arguments.ticket_id, "@x")',
            "t-1",
        ),
        ('mask contains {"op": "upsert", "path": "/result/decision", "value": "deny"}', "t-1"),
        ('mask contains {"op": "upsert", "path": "/input/tool/name", "value": "tickets.close"}', "t-1"),
        ('mask contains {"op": "upsert", "path": "/input/agent", "value": {"id": "x"}}', "t-1"),
        ('mask contains "/result/reasons"', "t-1"),
        ('mask contains "/result"', "t-1"),
        ('mask contains "/input"', "t-1"),
        ('mask contains "/decision_id"', "t-1"),
        ("mask contains 5", "t-1"),
        ('mask contains x if x := to_number("a")', "t-1"),
    ],
)
async def test_no_mask_changes_a_decision_or_hides_who_made_it(start_zone, rule, argument):
    """With any mask of a policy, the record keeps decision, codes, tool, agent and task, and lies in nothing."""
    zone = await start_zone(workloads=("orchestrator",))
    (zone.policy / "mask.rego").write_text(f"package system.log\n\nimport rego.v1\n\n{rule}\n")
    await zone.running["orchestrator"].reload()
    task = await zone.start_task()
    allowed = await task.authorize("tickets.read", {"ticket_id": argument})
    found = [record for record in records(zone) if record.get("decision_id") == allowed.decision_id]
    assert {record["result"]["decision"] for record in found} == {"allow"}
    said = next(record for record in found if "input" in record)
    assert said["input"]["tool"]["name"] == "tickets.read"
    assert said["input"]["agent"]["id"].endswith("orchestrator")
    assert said["input"]["task"]["id"] == task.info.task_id
    outcome = found[-1]
    assert [reason["code"] for reason in outcome["result"]["reasons"]]
    if "arguments" not in said["input"]["tool"]:
        assert len(said["call_digest"]) == 64
    assert audited(zone).intact


async def test_a_broken_log_denies_by_default_and_recovers(start_zone):
    """With the defaults no call is allowed while its record can't be written; readiness follows both ways."""
    zone = await start_zone(workloads=("orchestrator",))
    task = await zone.start_task()
    path = log_of(zone)
    path.rename(path.with_name("moved"))
    path.mkdir()
    zone.parts().log.reopen()
    with pytest.raises(tabard.Unavailable) as caught:
        await task.authorize(*READ)
    assert caught.value.code == "audit_unavailable"
    health = zone.running["orchestrator"].health
    assert not health.snapshot().ready
    path.rmdir()

    async def ready():
        return health.snapshot().ready

    await eventually(ready)
    assert (await task.authorize(*READ)).allowed
    assert {"lost": 1} in [record["result"] for record in records(zone)]


async def test_an_agents_own_grant_in_its_arguments_is_replaced_and_its_other_words_stay(start_zone):
    """The log holds the digest of a secret, and what only looks like one as it was said."""
    zone = await start_zone(workloads=("orchestrator",))
    task = await zone.start_task()
    lookalike = "eyJhbGciOiJFUzI1NiJ9.eyJ0byI6ImV2aWwifQ.c2ln"
    token = zone.issuer.access_token("someone")
    for said in (task.grant, token, lookalike):
        with contextlib.suppress(tabard.Denied):
            await task.authorize("tickets.read", {"ticket_id": said})
    text = "".join(json.dumps(record) for record in records(zone))
    assert task.grant not in text
    assert token not in text
    assert sha256(token.encode()).hexdigest() in text
    assert lookalike in text
