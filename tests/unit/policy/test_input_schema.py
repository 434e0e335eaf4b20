"""The inputs that the sidecar sends to policies fit the input's schema."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import jsonschema
import pytest
from tabard.caveats import Budget, Expiry, Hop, Limits, Tools
from tabard_sidecar.facts import FactKind, Facts
from tabard_sidecar.model import (
    Agent,
    BudgetLimit,
    Intent,
    IntentSource,
    Link,
    MetApproval,
    Operation,
    Subject,
    Task,
    ToolCall,
    VerifiedGrant,
)
from tabard_sidecar.pipeline.policy_input import PolicyInput
from tabard_sidecar.pipeline.requests import AuthorizeRequest, VerifiedCall
from tabard_sidecar.policy.resources import schema
from tabard_sidecar.state import PastCall, TaskState

from tests.support.policy import policy_input, tool

SCHEMA = jsonschema.Draft202012Validator(schema("input"))
AGENT = Agent("spiffe://x/a", "static", {"namespace": "n", "service_account": "s", "pod": "p"})
SUBJECT = Subject("42", "https://idp.example", {"groups": ["a"]}, authenticated_at=900.0)
TASK = Task("t", "refunds", "Work", IntentSource.SIGNED, 900.0, 2000.0)
LIMITS = Limits(tools=("a.*",), scopes=("s",), max_depth=3, ttl_seconds=60.0, read_only=True)
TOOLS, EXPIRY = Tools(("a.*",)), Expiry(2000.0)
HOP = Link("hop", "spiffe://x/a", "", "l1", "r", (EXPIRY,))
GRANT = VerifiedGrant(
    "d", "k", "z", "r", "spiffe://x/root", SUBJECT, TASK, (TOOLS,), (HOP,),
    (TOOLS, Hop("spiffe://x/a", "A" * 43), EXPIRY), 2000.0,
)  # fmt: skip
GRANT = replace(
    GRANT,
    root_caveats=(Budget("cents", 500), *GRANT.root_caveats),
    budgets=(BudgetLimit("b1", "cents", 500), BudgetLimit("b2", "cents", 90), BudgetLimit("b3", "own", 9)),
)
STATE = TaskState(
    known=True,
    children=2,
    spent={"b1": 100, "b2": 30},
    labels=("untrusted",),
    calls=(PastCall("a.read", ("untrusted",), 950.25),),
    facts=Facts({"orders": ("#W1", "ü"), "of_another_policy": ("x",)}, {"mails": 2}),
)
FACTS = {
    "files": FactKind.SET,
    "mails": FactKind.COUNTER,
    "orders": FactKind.SET,
    "uses": FactKind.COUNTER,
}
POLICY = SimpleNamespace(facts=FACTS)
MET = MetApproval("a1", "pay", "unknown", "7", "https://idp.example", 960.0)
CALL = ToolCall("a.read", "", {"id": 1}, b'{"id":1}', "d")


def inputs():
    """Yield an input for each operation, as the pipeline makes them."""
    build = PolicyInput()
    yield (
        "start_task",
        build.start_task(
            AGENT,
            SUBJECT,
            Intent("refunds", "Work", IntentSource.SIGNED, limits=LIMITS),
            TASK,
            LIMITS,
            now=1000.5,
            facts=FACTS,
        ),
    )
    yield (
        "authorize",
        build.authorize(
            VerifiedCall(AuthorizeRequest("", CALL.name), CALL, {"a": 1}, AGENT, GRANT, None, POLICY, (MET,)),
            STATE,
            now=1000.5,
        )[0],
    )
    request = {"limits": {}, "holder": "spiffe://x/b"}
    yield (
        "delegate",
        build.without_tool(
            Operation.DELEGATE, AGENT, GRANT, state=STATE, now=1000.5, request=request, facts=FACTS
        ),
    )
    yield "renew", build.without_tool(Operation.RENEW, AGENT, GRANT, state=STATE, now=1000.5, facts={})


@pytest.mark.parametrize(("operation", "text"), list(inputs()), ids=[name for name, _ in inputs()])
def test_every_input_fits_the_schema(operation, text):
    document = json.loads(text.text)
    assert document["operation"] == operation
    SCHEMA.validate(document)


def test_state_and_approvals_are_told_as_they_stand():
    """Of two budgets with one name the one with less left binds; one that policy didn't grant isn't told of."""
    told = json.loads(dict(inputs())["authorize"].text)
    assert told["budgets"] == {"cents": {"limit": 90, "spent": 100, "remaining": 60}}
    assert told["history"] == {
        "calls": [{"tool": "a.read", "allowed": True, "labels": ["untrusted"], "at": 950.25}],
        "labels": ["untrusted"],
    }
    approver = {"id": "7", "issuer": "https://idp.example"}
    assert told["approvals"] == [
        {"module": "pay", "code": "unknown", "approver": approver, "approved_at": 960.0}
    ]
    assert told["delegation"]["children"] == 2


def test_facts_are_told_as_the_policy_names_them():
    """Each name that a grant notes is there, empty until then, and no other; without any there are none."""
    told = {operation: json.loads(text.text)["task"].get("facts") for operation, text in inputs()}
    facts = {"files": [], "mails": 2, "orders": ["#W1", "ü"], "uses": 0}
    assert told["authorize"] == told["delegate"] == facts
    assert told["start_task"] == {"files": [], "mails": 0, "orders": [], "uses": 0}
    assert told["renew"] is None


def test_the_tests_own_input_fits_the_schema():
    assert SCHEMA.is_valid(policy_input(tool=tool("x", a=1)))


def test_everything_in_the_schema_is_described_and_nothing_else_is_accepted():
    def walk(node, path):
        assert node.get("description") or path == "input", path
        if node.get("type") == "object" and "properties" in node and "type" not in node["properties"]:
            assert node["additionalProperties"] is False, path
        for name, child in node.get("properties", {}).items():
            walk(child, f"{path}.{name}")

    walk(schema("input"), "input")
