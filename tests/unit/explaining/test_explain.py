"""``tabard explain DECISION``: what a real sidecar decided, explained from its log and by itself."""

from __future__ import annotations

import asyncio
import gzip
import json

import grpc
import pytest
import tabard as sdk
from tabard.authz.v1 import decision_operator_service_pb2 as pb
from tabard.authz.v1 import decision_operator_service_pb2_grpc as pb_grpc
from tabard.caveats import Arguments, Constraint, Limits
from tabard.errors import from_rpc
from tabard_sidecar.cli import main
from tabard_sidecar.explaining.finding import find_decision

SOURCE = """package policy.desk

start contains {"code": "task", "limits": {
	"tools": ["pay", "read", "wire"], "budgets": {"money": 100}, "audiences": ["bank"], "scopes": ["pay"],
	"max_depth": 3, "max_children": 9,
}}

grant contains {
	"code": "pay", "charges": {"money": input.tool.arguments.n},
	"credential": {"kind": "jwt", "audience": "bank", "scopes": ["pay"], "ttl_seconds": 60},
} if {
	input.tool.name == "pay"
	input.tool.arguments.n <= 50
	input.task.purpose == "refunds"
}

grant contains {"code": "tiny"} if {
	input.tool.name == "pay"
	input.tool.arguments.n < 0
	input.subject.id == "nobody"
}

deny contains {"code": "round", "message": "No round amounts."} if {
	input.tool.name == "pay"
	input.tool.arguments.n % 10 == 0
}

grant contains {"code": "wire"} if input.tool.name == "wire"

ask contains {"code": "large", "approvers": ["finance"], "reason": "r", "uses": 1, "ttl_seconds": 300} if {
	input.tool.name == "wire"
}
"""


@pytest.fixture
async def zone(start_zone):
    """One sidecar."""
    overrides = {"approvals.roles": {"finance": {"claim": "groups", "value": "finance"}}}
    return await start_zone(policy={"desk.rego": SOURCE}, workloads=("orchestrator",), overrides=overrides)


@pytest.fixture
def explain(zone, capsys):
    """Explains a decision; returns the exit code and what is printed."""
    config = str(zone.sidecars["orchestrator"].folder / "tabard.yaml")

    async def command(decision_id, *arguments, as_json=True):
        options = ("--config", config, *(("--json",) if as_json else ()), *map(str, arguments))
        code = await asyncio.to_thread(main, ["explain", decision_id, *options])
        shown = capsys.readouterr()
        return code, json.loads(shown.out) if as_json and code == 0 else shown.out + shown.err

    return command


async def denied(call):
    """The id of the decision that denies a call."""
    with pytest.raises(sdk.Denied) as caught:
        await call
    return caught.value.decision_id


def at(place):
    """The line of a place."""
    return int(place.rpartition(":")[2])


async def test_a_deny_names_its_rule_and_the_conditions_that_hold(zone, explain):
    """The line, the values, and that a rule grants."""
    task = await zone.start_task()
    _, found = await explain(await denied(task.authorize("pay", {"n": 20})))
    assert (found["effect"], found["tool"], found["policy"]["same"], found["policy"]["agrees"]) == (
        "deny",
        "pay",
        True,
        True,
    )
    assert found["input"]["tool"]["arguments"] == {"n": 20}
    missing = found["missing"]
    assert missing["granted"]
    assert missing["grant"] is None
    (deny,) = missing["deny"]
    assert (deny["rule"], deny["code"], at(deny["place"])) == ("desk.deny", "round", 23)
    assert [(one["text"], one["holds"]) for one in deny["conditions"]] == [
        ('input.tool.name == "pay"', True),
        ("input.tool.arguments.n % 10 == 0", True),
    ]
    assert deny["conditions"][1]["values"] == {"input.tool.arguments.n": "20"}


async def test_no_grant_names_the_nearest_rule_and_all_that_it_lacks(zone, explain):
    """Of two rules for the tool the one that lacks less; conditions that hold are told as such."""
    task = await zone.start_task(intent_token=zone.intent("other", "Something else."))
    decision = await denied(task.authorize("pay", {"n": 55}))
    _, found = await explain(decision)
    nearest = found["missing"]["grant"]
    assert (nearest["code"], nearest["lacks"], found["missing"]["other_grants"]) == ("pay", 2, 1)
    assert [(at(one["at"]), one["holds"]) for one in nearest["conditions"]] == [
        (12, True),
        (13, False),
        (14, False),
    ]
    _, shown = await explain(decision, as_json=False)
    assert "line 13: fails  input.tool.arguments.n <= 50  (input.tool.arguments.n is 55)" in shown
    assert 'line 14: fails  input.task.purpose == "refunds"  (input.task.purpose is "other")' in shown
    assert "line 12" not in shown


async def test_an_allow_names_its_rule_and_the_caveats_that_would_have_stopped_more(zone, explain):
    """With where in the chain each of them was added."""
    task = await zone.start_task()
    limits = Limits(
        tools=("pay",),
        arguments=[Arguments("pay", (Constraint("n", "range", {"max": 30}),))],
        budgets={"money": 40},
    )
    branch = task.branch("clerk", limits)
    decision = await branch.authorize("pay", {"n": 25})
    _, found = await explain(decision.decision_id)
    (clause,) = found["granted"]
    assert (clause["code"], at(clause["place"]), clause["lacks"]) == ("pay", 8, 0)
    assert [one["holds"] for one in clause["conditions"]] == [True, True, True]
    stops = {
        (one["caveat"]["type"], one["since"].endswith("clerk")): one["stops"] for one in found["caveats"]
    }
    assert stops["tools", False] == "all tools but pay, read, wire"
    assert stops["tools", True] == "all tools but pay"
    assert stops["arguments", True] == 'calls of pay whose arguments don\'t meet n range {"max":30}'
    assert (
        stops["budget", True]
        == "calls that together cost more than 40 money, of which 40 were left; this one costs 25"
    )
    assert stops["audiences", False] == "all credentials for audiences but bank"
    _, shown = await explain(decision.decision_id, as_json=False)
    assert "granted by desk.grant pay" in shown
    assert "the grant would have stopped" in shown


async def test_a_call_that_waits_names_the_ask(zone, explain):
    """No deny, and the rule that grants is there."""
    task = await zone.start_task()
    _, found = await explain(await denied(task.authorize("wire", {})))
    (ask,) = found["missing"]["ask"]
    assert (ask["code"], found["missing"]["deny"], found["missing"]["granted"]) == ("large", [], True)


async def test_what_the_sidecar_refuses_is_told_with_its_meaning(zone, explain):
    """A caveat before policy is asked, and a budget after it."""
    task = await zone.start_task()
    _, found = await explain(await denied(task.authorize("mail", {})))
    assert found["not_explained"] == "refused_before_policy"
    assert found["reasons"][0]["code"] == "tool_not_granted"
    assert found["reasons"][0]["what_happened"]
    for amount in (45, 45):
        await task.authorize("pay", {"n": amount})
    _, found = await explain(await denied(task.authorize("pay", {"n": 11})))
    assert (found["reasons"][0]["code"], found["policy"]["effect"]) == ("budget_exhausted", "allow")
    assert [one["code"] for one in found["granted"]] == ["pay"]


async def test_another_policy_is_told_as_such(zone, explain, folder):
    """It says what it decides now, and that it isn't the one that decided."""
    task = await zone.start_task()
    decision = (await task.authorize("pay", {"n": 45})).decision_id
    other = folder / "other"
    other.mkdir()
    (other / "desk.rego").write_text(SOURCE.replace("<= 50", "<= 40"))
    _, found = await explain(decision, "--policy", other)
    assert (found["effect"], found["policy"]["effect"], found["policy"]["same"]) == ("allow", "deny", False)
    assert found["missing"]["grant"]["lacks"] == 1
    _, shown = await explain(decision, "--policy", other, as_json=False)
    assert "the policy here is another one" in shown
    assert "it decides deny now" in shown


async def test_the_log_may_be_named_and_compressed(zone, explain, folder):
    """As a replay reads it. A decision that isn't there is told."""
    task = await zone.start_task()
    decision = (await task.authorize("pay", {"n": 5})).decision_id
    log = folder / "old.jsonl.gz"
    log.write_bytes(gzip.compress((zone.sidecars["orchestrator"].folder / "decisions.log").read_bytes()))
    _, found = await explain(decision, "--log", log)
    assert found["granted"][0]["code"] == "pay"
    code, shown = await explain("0" * 8 + "-0000-0000-0000-" + "0" * 12, "--log", log)
    assert code == 1
    assert "no decision" in shown


async def test_codes_and_settings_are_explained_as_before(zone, capsys):
    """What isn't the id of a decision is one of these; options for decisions don't fit them."""
    assert await asyncio.to_thread(main, ["explain", "no_grant"]) == 0
    assert "no_grant" in capsys.readouterr().out
    assert await asyncio.to_thread(main, ["explain", "policy.path"]) == 0
    assert "policy.path" in capsys.readouterr().out
    assert await asyncio.to_thread(main, ["explain", "no_grant", "--log", "x"]) == 2
    assert "--log" in capsys.readouterr().err


async def test_a_sidecar_explains_its_own_decisions(zone, explain):
    """The same as here, over the operators' socket; an unknown or malformed id is an error."""
    task = await zone.start_task()
    decision = await denied(task.authorize("pay", {"n": 20}))
    _, here = await explain(decision)
    _, there = await explain(decision, "--operator", zone.operator())
    assert there == here
    async with grpc.aio.insecure_channel(zone.operator()) as channel:
        stub = pb_grpc.DecisionOperatorServiceStub(channel)
        answer = await stub.ExplainDecision(pb.ExplainDecisionRequest(decision_id=decision))
        assert (answer.effect, answer.revision, answer.explained_revision) == (
            "deny",
            here["revision"],
            here["policy"]["revision"],
        )
        for text, code in (("x", "request_invalid"), (decision[:-4] + "0000", "decision_unknown")):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.ExplainDecision(pb.ExplainDecisionRequest(decision_id=text))
            assert from_rpc(caught.value, "").code == code


async def test_an_intent_in_one_file_and_its_outcome_in_the_next(zone, folder):
    """As when the log is closed between them; nothing else of the newer file belongs to it."""
    task = await zone.start_task()
    # An answer that is kept for a repeated request has an intent.
    decision = (await task.authorize("pay", {"n": 5}, request_id="r-1")).decision_id
    await task.authorize("pay", {"n": 6})
    lines = (zone.sidecars["orchestrator"].folder / "decisions.log").read_bytes().splitlines(keepends=True)
    outcome = next(
        number for number, line in enumerate(lines) if decision.encode() in line and b'"outcome"' in line
    )
    files = [folder / "older.jsonl", folder / "newer.jsonl"]
    files[0].write_bytes(b"".join(lines[:outcome]))
    files[1].write_bytes(b"".join(lines[outcome:]))
    entry = find_decision(files, decision, pytest.fail)
    assert entry.done
    assert entry.input["tool"]["arguments"] == {"n": 5}
    assert find_decision(files[1:], decision, pytest.fail).input == {}
    assert find_decision(files[:1], decision, pytest.fail).done is False
    assert find_decision(files, "0" * 36, pytest.fail) is None
