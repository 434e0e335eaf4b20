"""In an observed namespace calls that only policy denies are made without a credential; everything else denies as ever."""

from __future__ import annotations

import asyncio
import json

import pytest
import tabard
from tabard.caveats import Limits
from tabard.errors import Denied
from tabard_sidecar.cli import main
from tabard_sidecar.config import Settings, insecure_switches
from tabard_sidecar.config.sections import InsecureConfig
from tabard_sidecar.model import Agent
from tabard_sidecar.pipeline.observing import Observing, namespace_of

from tests.support.operators import operators
from tests.support.waiting import next_second

SOURCE = """
package policy.desk

start contains {"code": "task", "limits": {
	"tools": ["*"], "budgets": {"money": 10}, "audiences": ["bank"], "scopes": ["pay"], "max_depth": 3, "max_children": 9,
}}

grant contains {
	"code": "pay", "charges": {"money": input.tool.arguments.n},
	"credential": {"kind": "jwt", "audience": "bank", "scopes": ["pay"], "ttl_seconds": 60},
} if {
	input.tool.name == "pay"
}

deny contains {"code": "too_much", "message": "At most 5."} if {
	input.tool.name == "pay"
	input.tool.arguments.n > 5
}

grant contains {
	"code": "get", "credential": {"kind": "jwt", "audience": "bank", "scopes": ["pay"], "ttl_seconds": 60},
} if {
	input.tool.name == "get"
}

grant contains {"code": "asked"} if input.tool.name == "wire"

ask contains {"code": "wire", "approvers": ["finance"], "reason": "r", "uses": 1, "ttl_seconds": 300} if {
	input.tool.name == "wire"
}

deny contains {"code": "wire_much", "message": "At most 5."} if {
	input.tool.name == "wire"
	input.tool.arguments.n > 5
}

deny contains {"code": "slow", "message": "never"} if {
	input.tool.name == "loop"
	some a in numbers.range(1, 9000)
	some b in numbers.range(1, 9000)
	a * b == -1
}

deny contains {"code": "odd", "message": "never"} if {
	input.tool.name == "fail"
	to_number(input.tool.arguments.text) == 1
}

grant contains {"code": "fail"} if input.tool.name == "fail"
"""
NUMBER = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
TEXT = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}
NONE = {"type": "object", "additionalProperties": False}
TOOLS = {
    "pay": NUMBER,
    "wire": NUMBER,
    "loop": NONE,
    "fail": TEXT,
    "read": NONE,
    "get": NONE,
}
CATALOGUE = {
    "tools": [
        {"name": name, "inputSchema": schema, **({"labels": ["secret"]} if name == "read" else {})}
        for name, schema in TOOLS.items()
    ]
}


@pytest.fixture
async def observed(start_zone, folder):
    """Starts a zone of one sidecar whose namespaces are observed as given."""

    async def start(*namespaces):
        (folder / "catalogue.json").write_text(json.dumps(CATALOGUE))
        overrides = {
            "insecure.observe": list(namespaces),
            "catalogue.path": str(folder / "catalogue.json"),
            "approvals.roles": {"finance": {"claim": "groups", "value": "finance"}},
        }
        return await start_zone(policy={"desk.rego": SOURCE}, overrides=overrides)

    return start


def last(zone, workload="orchestrator"):
    """The last record of a sidecar's log."""
    log = zone.sidecars[workload].folder / "decisions.log"
    return json.loads(log.read_text().splitlines()[-1])


async def code_of(call):
    """The code with which a call is denied."""
    with pytest.raises(Denied) as caught:
        await call
    return caught.value.code


async def test_what_only_policy_denies_is_made_without_a_credential(observed):
    """By a deny, and for want of a rule that grants. The record has policy's own reasons, and the task the tool's labels."""
    zone = await observed("other", "ns", "support")
    task = await zone.start_task()
    granted = await task.authorize("pay", {"n": 5})
    assert granted.credential is not None
    decision = await task.authorize("pay", {"n": 6})
    assert decision.credential is None
    assert [reason.code for reason in decision.reasons] == ["would_deny"]
    record = last(zone)
    assert record["result"]["decision"] == "would_deny"
    assert [(one["module"], one["code"]) for one in record["result"]["reasons"]] == [
        ("policy.desk", "too_much")
    ]
    assert "charges" not in record["result"]
    await task.authorize("read", {})
    record = last(zone)
    assert [one["code"] for one in record["result"]["reasons"]] == ["no_grant"]
    assert record["result"]["labels"] == ["secret"]
    assert await task.authorize("pay", {"n": 5})  # the denied call cost nothing
    assert last(zone)["result"]["decision"] == "allow"
    metrics = zone.parts().metrics
    assert metrics.would_deny._value.get() == 2
    offered = await task.filter_tools([tabard.ToolRef(name) for name in (*TOOLS, "other")])
    assert {tool.name for tool in offered} == set(TOOLS)


async def test_a_repeated_request_gets_the_same_answer(observed):
    """And its record says again that policy would have denied it."""
    zone = await observed("support")
    task = await zone.start_task()
    first = await task.authorize("pay", {"n": 6}, request_id="r-1")
    again = await task.authorize("pay", {"n": 6}, request_id="r-1")
    assert first.decision_id == again.decision_id
    assert last(zone)["result"]["decision"] == "would_deny"
    assert zone.parts().metrics.would_deny._value.get() == 2


async def test_nothing_else_is_let_through(observed):
    """Asks, failures and time-outs of policy, unknown tools, malformed arguments, caveats, budgets, scopes."""
    zone = await observed("support")
    task = await zone.start_task()
    with pytest.raises(tabard.ApprovalRequired):
        await task.authorize("wire", {"n": 1})
    assert await code_of(task.authorize("wire", {"n": 6})) == "approval_required"
    assert await code_of(task.authorize("loop", {})) == "policy_timeout"
    assert await code_of(task.authorize("fail", {"text": "x"})) == "policy_error"
    assert await code_of(task.authorize("unlisted", {})) == "no_grant"
    assert await code_of(task.authorize("read", {"n": 1})) == "arguments_invalid"
    assert await code_of(task.authorize("read", {}, scopes=["pay"])) == "no_grant"
    narrow = task.branch("narrow", Limits(tools=("pay",)))
    assert await code_of(narrow.authorize("read", {})) == "tool_not_granted"
    spent = task.branch("spent", Limits(budgets={"money": 5}))
    await spent.authorize("pay", {"n": 5})
    assert await code_of(spent.authorize("pay", {"n": 1})) == "budget_exhausted"
    assert await code_of(spent.authorize("pay", {"n": 6})) == "too_much"
    assert await code_of(spent.authorize("read", {})) == "no_grant"


async def test_forged_stolen_ended_and_revoked_grants_deny(observed):
    """Whatever policy says of the call."""
    zone = await observed("support")
    task = await zone.start_task()
    agent = zone.agent("orchestrator")
    forged = task.grant[:-8] + ("AAAAAAAA" if task.grant[-8:] != "AAAAAAAA" else "BBBBBBBB")
    assert await code_of(agent.task(forged).authorize("read", {})) in {"grant_signature", "grant_malformed"}
    assert await code_of(zone.agent("triage").task(task.grant).authorize("read", {})) == "holder_mismatch"
    expired = task.branch("short", Limits(ttl_seconds=1))
    await expired.authorize("read", {})
    await next_second()
    await next_second()
    assert await code_of(expired.authorize("read", {})) == "grant_expired"
    async with operators(zone.operator()) as client:
        await client.revoke(task_id=task.info.task_id, reason="r")
    assert await code_of(task.authorize("read", {})) == "task_ended"


async def test_starting_handing_on_and_renewing_need_policy(observed):
    """They give authority, which isn't observed."""
    zone = await observed("support")
    task = await zone.start_task()
    assert await code_of(zone.hand_to(task, "triage")) == "no_grant"
    got = await task.authorize("get", {})
    assert await code_of(task.renew(got.credential, {})) == "no_grant"


async def test_other_namespaces_are_enforced(observed):
    """The name has to be the whole one."""
    zone = await observed("suppor", "support-2")
    task = await zone.start_task()
    assert await code_of(task.authorize("read", {})) == "no_grant"
    assert await code_of(task.authorize("pay", {"n": 6})) == "too_much"


@pytest.mark.parametrize(
    ("agent", "namespace"),
    [
        (Agent("spiffe://a/ns/shop/sa/desk", "i"), "shop"),
        (Agent("spiffe://a/ns/shop/sa/desk", "i", {"namespace": "other"}), "other"),
        (Agent("spiffe://a/x/ns/shop/sa/desk", "i"), ""),
        (Agent("spiffe://a/ns/shop/sa/desk/more", "i"), ""),
        (Agent("spiffe://a/ns//sa/desk", "i"), ""),
        (Agent("spiffe://a/desk", "i"), ""),
    ],
)
def test_the_namespace_of_a_workload(agent, namespace):
    assert namespace_of(agent) == namespace
    assert not Observing([]).covers(agent)
    assert Observing(["shop", "other"]).covers(agent) is bool(namespace)


def test_the_switch_is_told_and_needs_a_catalogue():
    (told,) = insecure_switches(InsecureConfig(observe=("support",)))
    assert told.startswith("insecure.observe: in support ")
    with pytest.raises(ValueError, match=r"catalogue\.path"):
        Settings(insecure={"observe": ["support"]})
    with pytest.raises(ValueError, match="pattern"):
        InsecureConfig(observe=("*",))


async def test_a_replay_knows_what_was_made_though_denied(observed, folder, capsys):
    """The same policy changes nothing; one that grants it allows it newly."""
    zone = await observed("support")
    task = await zone.start_task()
    await task.authorize("read", {})
    await task.authorize("pay", {"n": 6})
    log = str(zone.sidecars["orchestrator"].folder / "decisions.log")
    wider = folder / "wider"
    wider.mkdir()
    (wider / "desk.rego").write_text(SOURCE.replace('== "wire"\n', 'in {"wire", "read"}\n', 1))
    found = {}
    for name in ("policy", "wider"):
        catalogue = str(folder / "catalogue.json")
        options = ("--policy", str(folder / name), "--catalogue", catalogue, "--json")
        await asyncio.to_thread(main, ["replay", log, *options])
        found[name] = json.loads(capsys.readouterr().out)
    assert found["policy"]["changed"] == 0
    assert {kind: count for kind, count in found["wider"]["changes"].items() if count} == {"newly_allowed": 1}
