"""docs/reference/decision-log.md names every field of the records that real sidecars write, and no other."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import grpc
import pytest
import tabard
from tabard.authz.v1 import approval_service_pb2 as approval_pb
from tabard.authz.v1 import approval_service_pb2_grpc as approval_grpc
from tabard.authz.v1 import authorization_service_pb2 as pb
from tabard.authz.v1 import authorization_service_pb2_grpc as pb_grpc
from tabard.authz.v1 import shadow_service_pb2 as shadow_pb
from tabard.authz.v1 import shadow_service_pb2_grpc as shadow_grpc
from tabard_sidecar.model import Operation

from testbed.world import spiffe_id
from tests.support.asking import ROLES, poll
from tests.support.operators import operators
from tests.support.spending import SOURCE, pay, signed_by
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
TABLES = runpy.run_path(str(ROOT / "docs/decision_log.py"))
INPUT = {**dict(TABLES["_input"](json.loads(TABLES["INPUT_SCHEMA"].read_text()))), "arguments_bytes": ""}
INPUT |= {"arguments_sha256": "", "tool.arguments_bytes": "", "tool.arguments_sha256": ""}
REVOKED = {"task_id", "link_id", "agent_id", "credential_id", "subject.id", "subject.issuer"}
RESULT = {**TABLES["DECISION"], **TABLES["CHANGE"]}
POLICY = {
    "desk/desk.rego": f"""{SOURCE}
ask contains {{"code": "large", "approvers": ["finance"], "reason": "r", "uses": 1, "ttl_seconds": 300}} if {{
	input.tool.name == "pay"
	input.tool.arguments.cents > 100
}}
""",
    "mask/mask.rego": """package system.log

mask contains "/input/tool/arguments/secret"

mask contains {"op": "upsert", "path": "/input/tool/arguments/cents", "value": 0} if input.input.tool.name == "web.read"

mask contains "/result/decision" if input.input.tool.name == "web.read"
""",
}

CANDIDATE = """
deny contains {"code": "closed", "message": "The shop is closed."} if input.tool.name == "web.read"
"""


def paths(value: object, prefix: str = "") -> set[str]:
    """Return the paths of everything in a record; the places in a list are one."""
    if isinstance(value, dict) and value:
        return set().union(
            *(paths(inner, f"{prefix}.{name}" if prefix else name) for name, inner in value.items())
        )
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return set().union(*(paths(item, f"{prefix}[]") for item in value))
    return {prefix} if value != {} else set()


def unnamed(found: set[str], tables: set[str]) -> set[str]:
    """Return the paths that no row names, neither themselves nor what they are in."""
    return {
        path
        for path in found
        if not any(path == row or path.startswith((f"{row}.", f"{row}[]")) for row in tables)
        and not any(row.startswith(f"{path}[]") for row in tables)  # an empty list
    }


@pytest.fixture
async def records(start_zone, folder):
    """What a zone records in which everything happens that can be recorded."""
    candidate = folder / "candidate"
    for name, source in POLICY.items():
        (candidate / name).parent.mkdir(parents=True)
        (candidate / name).write_text(source + CANDIDATE if name == "desk/desk.rego" else source)
    zone = await start_zone(
        policy=POLICY, overrides={"approvals.roles": ROLES, "policy.shadow": {"path": str(candidate)}}
    )
    shadow = zone.parts().shadowing.shadow
    await eventually(lambda: shadow.status.state == "running")
    task = await zone.start_task(request_id="r-1")
    await zone.start_task(request_id="r-1")
    paid = await pay(task, 5)
    await task.report_outcome(
        paid,
        charges={"cents": 1},
        labels=["x"],
        signed_outcome=signed_by(
            zone, "bank", decision_id=paid.decision_id, refunds={"cents": 1}, labels=["y"]
        ),
    )
    fetched = await task.authorize("web.fetch", {"kind": "jwt"})
    await task.revoke(await task.renew(fetched.credential, {"kind": "jwt"}))
    await task.authorize("web.read", {"secret": "s", "cents": 1})
    await task.filter_tools([tabard.ToolRef("pay")])
    with pytest.raises(tabard.ApprovalRequired) as caught:
        await pay(task, 200)
    (pending,) = caught.value.approvals
    async with grpc.aio.insecure_channel(zone.operator()) as channel:
        await approval_grpc.ApprovalServiceStub(channel).DecideApproval(
            approval_pb.DecideApprovalRequest(
                approval_id=pending.approval_id, approver_token=zone.approver(), approve=True
            )
        )
    discharge = await poll(zone, pending)
    await (
        zone.agent("orchestrator")
        .task(pending.call_grant)
        .authorize("pay", {"cents": 200}, discharges=[discharge])
    )
    handed = await zone.hand_to(task, "triage")
    await pay(handed, 1)
    await handed.end()
    async with grpc.aio.insecure_channel(zone.sidecars["orchestrator"].address) as channel:
        for _ in range(200):
            request = pb.AuthorizeRequest(grant="garbage")
            request.tool.name, request.tool.arguments_json = "pay", b"{}"
            await pb_grpc.AuthorizationServiceStub(channel).Authorize(request)
    async with operators(zone.operator()) as client:
        await client.revoke(agent_id=spiffe_id("triage"), reason="r")
        await client.lift(agent_id=spiffe_id("triage"))
    logs = [log for sidecar in zone.sidecars.values() for log in sidecar.logs if log.exists()]
    await eventually(lambda: '"event":"shadow"' in logs[0].read_text())
    async with grpc.aio.insecure_channel(zone.operator()) as channel:
        request = shadow_pb.PromoteShadowRequest(
            revision=shadow.status.revision, base_revision=shadow.status.base
        )
        await shadow_grpc.ShadowServiceStub(channel).PromoteShadow(request)
    await zone.stop()
    return [
        json.loads(line) for log in logs for line in log.read_bytes().splitlines() if b'"chain":{"id"' in line
    ]


async def test_every_field_that_is_written_is_on_the_page(records):
    events = {(record["event"], record.get("operation", "")) for record in records}
    assert {operation for _, operation in events} - {""} == set(TABLES["OPERATIONS"])
    assert ("log", "") in events
    assert ("shadow", "authorize") in events
    for record in records:
        parts = {name: record.pop(name, {}) for name in ("input", "result", "by")}
        change = bool(parts["by"])
        result = {"log": TABLES["NOTE"], "shadow": TABLES["SHADOW"]}.get(record["event"], RESULT)
        about = set(TABLES["ABOUT"]) | REVOKED if change else set(INPUT)
        assert unnamed(paths(record), set(TABLES["RECORD"])) == set(), record
        assert unnamed(paths(parts["result"]), set(result)) == set(), record
        assert unnamed(paths(parts["by"]), set(TABLES["BY"])) == set(), record
        assert unnamed(paths(parts["input"]), about) == set(), (record, parts)


def test_every_field_on_the_page_is_one_that_the_code_writes():
    source = "\n".join(path.read_text() for path in (ROOT / "sidecar/tabard_sidecar").rglob("*.py"))
    for table in ("RECORD", "DECISION", "CHANGE", "NOTE", "SHADOW", "BY", "ABOUT"):
        for row in TABLES[table]:
            for step in re.split(r"\.|\[\]\.?", row):
                assert re.search(rf"""["'](?:/|,\{{?)?{step}["']""", source), (table, row)


def test_every_operation_is_on_the_page():
    recorded = {operation.value for operation in Operation} - {Operation.FILTER_TOOLS.value}
    changes = set()
    for path in (ROOT / "sidecar/tabard_sidecar").rglob("*.py"):
        changes |= set(re.findall(r'changes\.make\(\s*"(\w+)"', path.read_text()))
    assert set(TABLES["OPERATIONS"]) == recorded | changes
