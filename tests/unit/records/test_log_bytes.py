"""No request makes the decision log grow by much more than the bytes that it sends.

The requests are found in the API's descriptors: a method that agents call and that has no greedy examples here fails the
test, so a new one can't be forgotten. Each example is as cheap as it can be for what it makes the log hold.
"""

from __future__ import annotations

import asyncio
import json
import sys

import grpc
import pytest
from tabard import macaroon
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import credential_service_pb2 as credential_pb
from tabard.authz.v1 import task_service_pb2 as task_pb
from tabard.authz.v1 import types_pb2 as types_pb
from tabard.caveats import Limits, Tools, encode_caveat
from tabard.delegation import branch
from tabard_sidecar.cli import main
from tabard_sidecar.records.completing import completed

from testbed.world import PERSON, spiffe_id
from tests.unit.records.test_records_of_attacks import audited, log_of, records
from tests.unit.server.test_standing import ask

SOURCE = """package policy.desk

start contains {"code": "desk", "limits": {
	"tools": ["*"],
	"audiences": ["bank"],
	"scopes": ["pay"],
	"budgets": {"cents": 1000000},
	"max_depth": 5,
	"max_children": 500,
	"ttl_seconds": 3600,
}}

delegate contains {"code": "desk", "limits": {}}

grant contains {"code": "any"} if not input.tool.name in {"denied", "pay"}

grant contains {
	"code": "pay",
	"credential": {"kind": "jwt", "audience": "bank", "scopes": ["pay"], "ttl_seconds": 60},
} if input.tool.name == "pay"

renew contains {"code": "again", "ttl_seconds": 60}

deny contains {"code": "many", "message": "no more"} if {
	input.tool.name == "denied"
	count(input.history.calls) + count(input.history.labels) >= 0
}
"""
TIMES_SENT = 6
"""A control character is one byte in protobuf and six in JSON; nothing grows by more."""
EACH = 8 * 1024
"""Bytes for each decision: its frame, and its long parts if they are just short enough to be repeated."""
ONCE = 256 * 1024
"""Bytes for what stands once in each file."""
SERVICES = {
    "AuthorizationService": authorization_pb,
    "TaskService": task_pb,
    "CredentialService": credential_pb,
}
CONTROL = "\x01"


def padded(grant, size=56_000):
    """The grant with caveats up to about a size."""
    block = 0
    while len(grant) < size:
        number, block = min(18, (size - len(grant)) // 250 + 1), block + 1
        names = (f"{one:03}{block:03}" * 40 for one in range(number))
        grant = macaroon.append(grant, [encode_caveat(Tools(("*", *names)))])
    return grant


def branched(grant, times=40):
    """The grant under names of many sub-agents, deeper than it may be."""
    for number in range(times):
        grant = branch(grant, f"{number:03}" + "s" * 60)
    return grant


def call(name="any", arguments=b"", **fields):
    tool = types_pb.ToolCall(name=name, arguments_json=arguments)
    return authorization_pb.AuthorizeRequest(tool=tool, **fields)


def batch(grant, *items):
    return authorization_pb.BatchAuthorizeRequest(grant=grant, items=items)


def examples(method, zone, grant, made):
    """Return requests that make the log hold as much as they can, by name."""
    token = made["token"]
    wanted = {
        "scopes": types_pb.Limits(scopes=types_pb.StringList(values=[f"{n:03}" * 60 for n in range(100)])),
        "short scopes": types_pb.Limits(scopes=types_pb.StringList(values=[str(n) for n in range(100)])),
        "rules": types_pb.Limits(
            arguments=[
                types_pb.ArgumentRule(
                    tool=f"t{n}",
                    constraints=[types_pb.ArgumentConstraint(path="a", operator="eq", operand_json=b"1")],
                )
                for n in range(100)
            ]
        ),
        "budgets": types_pb.Limits(budgets={f"b{number}": number for number in range(2_000)}),
    }
    names = [call(f"{number:03}" + CONTROL * 250) for number in range(100)]
    numbers = b'{"n":[' + b",".join([b"1e15"] * 3_000) + b"]}"
    return {
        "Authorize": lambda: {
            "numbers": call(arguments=numbers, grant=grant),
            "name": call(CONTROL * 256, grant=grant),
            "context": call(grant=grant, context_json=b'{"a":"' + b"x" * 16_000 + b'"}'),
            "padded": call(grant=padded(grant)),
            "branched": call(grant=branched(grant)),
            "pay": call("pay", grant=padded(grant)),
            "replayed": call("pay", b'{"a":"' + b"x" * 60_000 + b'"}', grant=grant, request_id="same"),
        },
        "BatchAuthorize": lambda: {
            "allowed": batch(grant, *[call()] * 100),
            "nearly long": batch(padded(grant, 1_800), *[call()] * 100),
            "padded": batch(padded(grant), *[call()] * 100),
            "padded, with credential": batch(padded(grant), *[call("pay")] * 100),
            "padded, denied by policy": batch(padded(grant), *[call("denied")] * 100),
            "padded, denied by a caveat": batch(padded(grant), *[call("x")] * 100),
            "branched": batch(branched(grant), *[call()] * 100),
            "names": batch(grant, *names),
            "names, again": batch(grant, *[call("denied")] * 100),
            "nothing": batch("", *[call()] * 100),
        },
        "StreamAuthorize": lambda: {
            "padded": authorization_pb.StreamAuthorizeRequest(request=call(grant=padded(grant)))
        },
        "FilterTools": lambda: {"all": authorization_pb.FilterToolsRequest(grant=padded(grant))},
        "GetApproval": lambda: {
            "none": authorization_pb.GetApprovalRequest(call_grant=padded(grant), approval_id="a")
        },
        "ReportOutcome": lambda: {
            "labels": authorization_pb.ReportOutcomeRequest(
                grant=grant,
                decision_id=made["decision"],
                labels=[f"{number:02}" + CONTROL * 250 for number in range(32)],
                charges={f"{number:02}" + CONTROL * 250: 1 for number in range(32)},
            ),
            "padded": authorization_pb.ReportOutcomeRequest(
                grant=padded(grant), decision_id=made["decision"]
            ),
        },
        "StartTask": lambda: {
            **{
                name: task_pb.StartTaskRequest(subject_token=token, limits=limits)
                for name, limits in wanted.items()
            },
            "statement": task_pb.StartTaskRequest(subject_token=token, statement=CONTROL * 4096),
        },
        "DelegateTask": lambda: {
            **{
                name: task_pb.DelegateTaskRequest(grant=grant, holder=spiffe_id("triage"), limits=limits)
                for name, limits in wanted.items()
            },
            "padded": task_pb.DelegateTaskRequest(grant=padded(grant), holder=spiffe_id("triage")),
            "holder": task_pb.DelegateTaskRequest(grant=grant, holder=CONTROL * 2048),
        },
        "GetTask": lambda: {"padded": task_pb.GetTaskRequest(grant=padded(grant))},
        "EndTask": lambda: {"branch": task_pb.EndTaskRequest(grant=branch(padded(grant), "s" * 64))},
        "RenewCredential": lambda: {
            "other arguments": credential_pb.RenewCredentialRequest(
                grant=grant, credential=made["credential"], arguments_json=numbers
            ),
            "padded": credential_pb.RenewCredentialRequest(
                grant=padded(grant), credential=made["credential"]
            ),
            "same": credential_pb.RenewCredentialRequest(grant=grant, credential=made["credential"]),
        },
        "RevokeCredential": lambda: {
            "padded": credential_pb.RevokeCredentialRequest(
                grant=padded(grant), credential_id=made["credential_id"]
            )
        },
        "IntrospectCredential": lambda: {
            "padded": credential_pb.IntrospectCredentialRequest(
                grant=padded(grant), credential=made["credential"]
            )
        },
    }[method]()


def size(zone):
    return sum(file.stat().st_size for file in log_of(zone).parent.glob("decisions.log*"))


def whole_records(zone):
    return list(completed(records(zone)))


METHODS = [
    method for name, module in SERVICES.items() for method in module.DESCRIPTOR.services_by_name[name].methods
]


@pytest.fixture
async def zone(start_zone):
    return await start_zone(policy={"desk/desk.rego": SOURCE})


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_the_log_grows_by_what_is_sent(zone, method):
    """Whatever an agent with a valid grant sends, and how often: recorded ≤ 6 x sent + 8 KiB x decisions + once."""
    task = await zone.start_task(limits=Limits(max_depth=3))
    paid = await task.authorize("pay")
    made = {
        "token": zone.issuer.access_token(PERSON),
        "decision": paid.decision_id,
        "credential": paid.credential.value,
        "credential_id": paid.credential.credential_id,
    }
    for number in range(20):
        await task.authorize(f"{number:03}" + CONTROL * 250)
    async with grpc.aio.insecure_channel(zone.sidecars["orchestrator"].address) as channel:
        for name, request in examples(method.name, zone, task.grant, made).items():
            before, times = size(zone), 3 if request.ByteSize() > 10_000 else 5
            for _ in range(times):
                await ask(channel, method, request)
            grown = size(zone) - before
            decisions = times * len(getattr(request, "items", "."))
            sent = times * request.ByteSize()
            assert grown <= TIMES_SENT * sent + EACH * decisions + ONCE, name
    assert audited(zone).intact


async def test_labels_that_come_one_by_one_are_written_one_by_one(zone):
    """Each report adds a label to the history of every later call; a record holds what is new of it."""
    task = await zone.start_task()
    paid = await task.authorize("pay")
    before, sent, times = size(zone), 0, 120
    async with grpc.aio.insecure_channel(zone.sidecars["orchestrator"].address) as channel:
        stub = authorization_grpc.AuthorizationServiceStub(channel)
        for number in range(times):
            report = authorization_pb.ReportOutcomeRequest(
                grant=task.grant, decision_id=paid.decision_id, labels=[f"{number:03}" + CONTROL * 250]
            )
            await stub.ReportOutcome(report)
            await stub.Authorize(call(grant=task.grant))
            sent += report.ByteSize() + len(task.grant)
    assert size(zone) - before <= TIMES_SENT * sent + EACH * times + ONCE
    last = whole_records(zone)[-1]
    assert len(last["input"]["history"]["labels"]) > 30


async def test_every_record_can_be_decided_again(zone, capsys, tmp_path):
    """What `tabard log show --input` prints of a shortened record is what policy saw: it decides the same."""
    task = await zone.start_task()
    task = zone.agent("orchestrator").task(padded(task.grant))
    for number in range(20):
        await task.authorize(f"{number:03}" + "x" * 250)
    last = await task.authorize("any", {"n": 1})
    (short,) = [one for one in records(zone) if one.get("decision_id") == last.decision_id]
    assert {member for place in short["left_out"] for member in place["members"]} >= {
        "delegation",
        "history.calls",
    }
    assert main(["log", "show", last.decision_id, str(log_of(zone)), "--input"]) == 0
    printed = capsys.readouterr().out
    asked = json.loads(printed)
    assert len(asked["history"]["calls"]) == 20
    assert asked["history"]["calls"][-1]["tool"].startswith("019")
    assert len(asked["delegation"]["constraints"]) > 5
    saved = tmp_path / "input.json"
    saved.write_text(printed)
    command = [sys.executable, "-m", "tabard_sidecar.cli", "policy", "eval", str(zone.policy), "--json"]
    process = await asyncio.create_subprocess_exec(*command, "--input", str(saved), stdout=-1)
    decided, _ = await process.communicate()
    assert process.returncode == 0
    assert json.loads(decided)["reasons"][0]["code"] == "any"
