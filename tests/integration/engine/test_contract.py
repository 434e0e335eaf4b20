"""The contract of every kind of engine: the same decisions, refusals and errors, and the same behaviour at loss and return."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tabard_opa import Engine
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.model import Operation
from tabard_sidecar.policy.factory import create_runtime
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.policy.runtime import Runtime
from tabard_sidecar.policy.status import PolicyState

from tests.support.engines import KINDS, Kind
from tests.support.policy import GRANT_ALL, call, codes, decide, encoded, named, offered, policy_input
from tests.support.waiting import eventually

POLICY = """\
package policy.demo

import data.tabard.lib.credentials

grant contains {
	"code": "fine",
	"credential": credentials.jwt("https://notes.example", ["notes:read"], 60),
} if input.tool.name == "fine"

grant contains {"code": "charged", "charges": {"cents": input.tool.arguments.cents}} if input.tool.name == "pay"

grant contains {"code": "asked"} if input.tool.name == "ask"

grant contains {"code": "failing"} if input.tool.name in {"builtin", "type", "conflict", "endless"}

ask contains {
	"code": "sure",
	"reason": "Really?",
	"approvers": ["subject"],
	"ttl_seconds": 60,
	"uses": 1,
} if input.tool.name == "ask"

deny contains {"code": "refused", "message": "not this one"} if input.tool.name == "deny"

deny contains {"code": "many", "message": "too many"} if {
	input.tool.name == "builtin"
	to_number(input.tool.arguments.text) > 3
}

deny contains {"code": "long", "message": "too long"} if {
	input.tool.name == "type"
	count(input.tool.arguments.text) > 3
}

_found := "one" if input.tool.arguments.one

_found := "two" if input.tool.arguments.two

deny contains {"code": "both", "message": "both"} if {
	input.tool.name == "conflict"
	_found == "one"
}

deny contains {"code": "slow", "message": "slow"} if {
	input.tool.name == "endless"
	some a in numbers.range(1, 3000)
	some b in numbers.range(1, 3000)
	a * b == input.tool.arguments.product
}

deny contains {"code": "hidden", "message": "hidden"} if input.operation == "renew"

start contains {"code": "begin", "limits": {"budgets": {"cents": 100000}}} if input.operation == "start_task"
"""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture(params=list(KINDS))
async def kind(request: pytest.FixtureRequest, engine: Engine) -> AsyncIterator[Kind]:
    """Each kind of engine, without a policy."""
    if request.param == "container":
        request.getfixturevalue("containers")
    with tempfile.TemporaryDirectory(prefix="tbk", dir="/tmp") as folder:  # short enough for unix sockets
        async with KINDS[request.param](Path(folder), engine) as kind:
            yield kind


@asynccontextmanager
async def _asked(
    kind: Kind, engine: Engine, policy: str = POLICY, **changes: float
) -> AsyncIterator[Runtime]:
    await kind.put({"demo.rego": policy})
    config = kind.config().model_copy(update=changes)
    runtime = create_runtime(config, CompileOptions(), engine, time.time)
    try:
        await runtime.start()
        yield runtime
    finally:
        await runtime.close()


@pytest.fixture
async def runtime(kind: Kind, engine: Engine) -> AsyncIterator[Runtime]:
    """A runtime with the policy above."""
    async with _asked(kind, engine) as runtime:
        yield runtime


async def test_decisions(runtime: Runtime):
    """Grants with credential and charge, an ask, denials, and the tools on offer."""
    fine = await decide(runtime, Operation.AUTHORIZE, call("fine"))
    assert fine.allowed
    assert fine.credential is not None
    assert (fine.credential.audience, fine.credential.ttl_seconds) == ("https://notes.example", 60)
    assert [(one.code, one.module) for one in fine.granted_by] == [("fine", "policy.demo")]
    paid = await decide(runtime, Operation.AUTHORIZE, call("pay", cents=2**40))
    assert dict(paid.charges) == {"cents": 2**40}
    asked = await decide(runtime, Operation.AUTHORIZE, call("ask"))
    assert [one.code for one in asked.asks] == ["sure"]
    approved = await decide(
        runtime, Operation.AUTHORIZE, call("ask"), approvals=frozenset({("demo", "sure")})
    )
    assert approved.allowed
    assert await codes(runtime, call("deny")) == ["refused"]
    assert await codes(runtime, call("other")) == ["no_grant"]
    assert await codes(runtime, encoded(policy_input("renew")), Operation.RENEW) == ["hidden"]
    started = await decide(runtime, Operation.START_TASK, encoded(policy_input("start_task", request={})))
    assert started.allowed
    assert await offered(runtime, named("fine"), named("deny"), named("other"), named("pay")) == [
        True,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("builtin", {"text": "x"}),
        ("type", {"text": 7}),
        ("conflict", {"one": True, "two": True}),
    ],
)
async def test_failures_of_rules_deny_and_name_the_module(runtime: Runtime, tool: str, arguments: dict):
    """A builtin's error, a value of another type, two values of one rule: never an allow, and the same words."""
    decision = await decide(runtime, Operation.AUTHORIZE, call(tool, **arguments))
    assert [(one.code, one.module) for one in decision.denials] == [("policy_error", "policy.demo")]
    told = decision.denials[0].message.partition(" (")[0].partition(":\n")[0]
    assert (
        told
        == {
            "builtin": "to_number: it can't read a value that it was given",
            "type": "count: operand 1 must be one of {array, object, set, string} but got number",
            "conflict": "rule data.policy.demo._found produced conflicting values",
        }[tool]
    )


async def test_an_evaluation_that_takes_too_long_denies(kind: Kind, engine: Engine):
    """And the next call is decided as ever."""
    async with _asked(kind, engine, deadline_seconds=1.0) as runtime:
        assert await codes(runtime, call("endless", product=-1)) == ["policy_timeout"]
        assert await codes(runtime, call("fine")) == []


async def test_an_input_that_is_too_large_is_the_callers_fault(runtime: Runtime):
    """It never reaches a server."""
    with pytest.raises(NoDecision) as caught:
        await decide(runtime, Operation.AUTHORIZE, call("fine", text="x" * 2**20))
    assert (caught.value.status, caught.value.code) == ("INVALID_ARGUMENT", "request_invalid")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("package policy.bad\n\ndeny if true\n", "rule_shape"),
        ("package policy.bad.deep\n\nx := 1\n", "package"),
        ("package policy.bad\n\nallow := true\n", "public_rule"),
        (
            'package policy.bad\n\ndeny contains {"code": "a", "message": "m"} if input.subjct.id\n',
            "rego_type_error",
        ),
        (
            'package policy.bad\n\ndeny contains {"code": "a", "message": "m"} if time.now_ns() > 1\n',
            "rego_type_error",
        ),
        (
            'package policy.bad\n\ngrant contains {"code": "a", "ttl": 3} if input.operation == "authorize"\n',
            "element",
        ),
        (
            'package policy.bad\n\ndeny contains {"code": "a", "message": "m"} if data.policy.demo.deny\n',
            "reads_policy",
        ),
    ],
)
async def test_the_same_modules_are_refused(kind: Kind, engine: Engine, source: str, code: str):
    """At a start; while it runs, the last good policy decides on, or nothing does on a server that has the refused one."""
    good = {"demo.rego": POLICY}
    async with _asked(kind, engine) as runtime:
        await kind.put(good | {"bad.rego": source})
        found = await eventually(lambda: _refused(runtime))
        assert code in found
        if kind.keeps:
            assert await codes(runtime, call("fine")) == []
        else:
            assert not runtime.status().ready
            with pytest.raises(NoDecision) as caught:
                await decide(runtime, Operation.AUTHORIZE, call("fine"))
            assert caught.value.code == "policy_unavailable"
        fresh = create_runtime(kind.config(), CompileOptions(), engine, time.time)
        if not kind.keeps:
            with pytest.raises(PolicyBrokenError) as broken:
                await fresh.start()
            assert code in {problem.code for problem in broken.value.problems}
        await fresh.close()
        await kind.put(good)
        await eventually(lambda: runtime.status().state is PolicyState.SERVING)
        assert await codes(runtime, call("fine")) == []


def _refused(runtime: Runtime) -> set[str]:
    """Return the codes of what is wrong with the policy, once it was checked."""
    return {problem.code for problem in runtime.status().problems} - {"unchecked"}


async def test_a_change_is_followed(kind: Kind, engine: Engine):
    """Decisions name another revision then."""
    async with _asked(kind, engine) as runtime:
        before = runtime.revision
        await kind.put({"demo.rego": GRANT_ALL})
        await eventually(lambda: runtime.status().loads > 1 and runtime.revision not in {"", before})
        assert await codes(runtime, call("other")) == []


async def test_loss_and_return(kind: Kind, engine: Engine):
    """Without its server nothing is decided, and with it again everything; a policy that was read is there all the time."""
    async with _asked(kind, engine) as runtime:
        assert await codes(runtime, call("fine")) == []
        await kind.lose()
        await eventually(lambda: runtime.status().state is PolicyState.DEGRADED)
        if kind.keeps:
            assert runtime.status().ready
            assert await codes(runtime, call("fine")) == []
        else:
            await eventually(lambda: not runtime.status().ready)
            with pytest.raises(NoDecision) as caught:
                await decide(runtime, Operation.AUTHORIZE, call("fine"))
            assert (caught.value.status, caught.value.code) == ("UNAVAILABLE", "policy_unavailable")
        await kind.bring_back()
        await eventually(lambda: runtime.status().state is PolicyState.SERVING)
        assert await codes(runtime, call("fine")) == []
