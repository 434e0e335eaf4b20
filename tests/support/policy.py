"""Policies and inputs for tests."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tabard_sidecar.model import Operation, PolicyDecision
from tabard_sidecar.policy.lease import PolicyLease
from tabard_sidecar.policy.runtime import Runtime

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SUPPORT = REPOSITORY / "rego" / "examples" / "support"
GUIDE = "\n".join(
    (REPOSITORY / "docs" / f"policy-{part}.md").read_text(encoding="utf-8")
    for part in ("guide", "refused", "guardrails", "state", "requests", "testing", "shipping")
)
"""All pages of the policy guide."""
DESK = "spiffe://shop.example/ns/support/sa"

START = '\nstart contains {"code": "begin"} if input.operation == "start_task"\n'
"""A rule to append to policies that grant: without one no task could start, which is an error."""

GRANT_ALL = f"""\
package policy.demo

grant contains {{"code": "ok"}} if input.operation == "authorize"
{START}"""


def write(folder: Path, **sources: str) -> Path:
    """Write ``name.rego`` for each keyword; a double underscore in a name separates folders."""
    for name, source in sources.items():
        path = folder / (name.replace("__", "/") + ".rego")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return folder


def policy_input(operation: str = "authorize", **changes: Any) -> dict[str, Any]:
    """Return a whole input of the support desk."""
    base: dict[str, Any] = {
        "operation": operation,
        "subject": {"id": "42", "issuer": "https://idp.example", "claims": {"groups": ["support"]}},
        "agent": {"id": f"{DESK}/refunds", "issuer": "static", "attributes": {}, "sub_agent": ""},
        "task": {
            "id": "t1",
            "purpose": "refunds",
            "statement": "Work off the open refunds.",
            "intent_source": "signed",
            "started_at": 1795470000,
            "expires_at": 1795473600,
        },
        "delegation": {
            "depth": 1,
            "chain": [{"holder": f"{DESK}/refunds", "sub_agent": "", "caveats": []}],
            "constraints": [],
            "children": 0,
        },
        "context": {"time": 1795471000.5, "asserted": {}},
        "budgets": {},
        "history": {"calls": [], "labels": []},
        "approvals": [],
    }
    return {**base, **changes}


def tool(name: str, **arguments: Any) -> dict[str, Any]:
    """Return ``input.tool``."""
    return {"name": name, "server": "", "arguments": arguments, "annotations": {}}


def encoded(value: Any) -> bytes:
    """Return compact JSON."""
    return json.dumps(value).encode()


async def decide(runtime: Runtime, operation: Operation, input_json: bytes, **options: Any) -> PolicyDecision:
    """Return what the active policy decides."""
    with runtime.lease() as policy:
        return await policy.decide(operation, input_json, **options)


async def offered(runtime: Runtime, *tools: dict[str, Any]) -> list[bool]:
    """Return which tools, as ``input.tool`` without arguments, could be allowed for some arguments."""
    inputs = [encoded(policy_input("filter_tools", tool=each)) for each in tools]
    with runtime.lease() as policy:
        return await policy.filter_tools(inputs)


def named(name: str, **annotations: Any) -> dict[str, Any]:
    """Return ``input.tool`` of a call whose arguments aren't known."""
    return {"name": name, "server": "", "annotations": annotations}


def around_decide(
    runtime: Runtime, around: Callable[..., Awaitable[PolicyDecision]]
) -> Callable[[], PolicyLease]:
    """Return a replacement of ``runtime.lease`` whose leases call ``around(decide, *arguments, **options)``."""
    lease = runtime.lease

    def leased() -> PolicyLease:
        made = lease()
        original = made.decide

        async def decide_around(*arguments: Any, **options: Any) -> PolicyDecision:
            return await around(original, *arguments, **options)

        made.decide = decide_around
        return made

    return leased


def call(name: str = "x", **arguments: Any) -> bytes:
    """Return the input of one tool call, encoded."""
    return encoded(policy_input(tool=tool(name, **arguments)))


async def codes(
    runtime: Runtime,
    input_json: bytes | None = None,
    operation: Operation = Operation.AUTHORIZE,
    **options: Any,
) -> list[str]:
    """Return the codes with which the active policy denies an input, by default a call of the tool ``x``."""
    decision = await decide(runtime, operation, input_json or call(), **options)
    return [reason.code for reason in decision.denials]
