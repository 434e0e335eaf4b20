"""Measures the engine alone: forms of calls, parts of an evaluation, and load next to a runaway rule.

``python engine/bench_micro.py`` prints one table. Import ``example`` and ``measure`` to use the same load elsewhere.
"""  # noqa: INP001

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from tabard_opa import Engine, EvaluationError, Policy, opa_version

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ENTRYPOINT = "data.tabard.decision"
POLICY = """package policy.support

_role := data.users[input.subject.id].roles[_]

_order := data.orders[input.tool.arguments.order]

grant contains {
	"code": "refund_small",
	"credential": {"kind": "jwt", "audience": "orders", "scopes": ["refund"], "ttl_seconds": 60},
} if {
	input.operation == "authorize"
	input.tool.name == "refund"
	"support_manager" in data.users[input.subject.id].roles
	input.tool.arguments.amount <= data.limits.refund
	_order.customer == input.tool.arguments.customer
	input.task.purpose in data.purposes.support
}

grant contains {"code": "read_order"} if {
	input.tool.name == "get_order"
	data.users[input.subject.id].active
}

deny contains {"code": "too_deep", "message": "chain too deep"} if input.delegation.depth > 6

deny contains {"code": "holder_unknown", "message": sprintf("%s is unknown", [hop.holder])} if {
	some hop in input.delegation.chain
	not data.agents[hop.holder]
}

deny contains {"code": "runaway", "message": "never"} if {
	input.context.asserted.runaway
	count([1 | some i in numbers.range(0, 9000); some j in numbers.range(0, 9000); i * j == -1]) > 0
}
"""
COLLECTOR = """package tabard

decision := {
	"grant": [{"module": name, "element": element} | some name; some element in data.policy[name].grant],
	"deny": [{"module": name, "element": element} | some name; some element in data.policy[name].deny],
}
"""


def example() -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
    """Return modules, data (500 users, 2,000 orders) and an input with five hops, about 3 KB."""
    agents = [f"spiffe://prod.example/ns/support/sa/agent-{n}" for n in range(6)]
    return {"policy/support.rego": POLICY, "tabard/decision.rego": COLLECTOR}, _data(agents), _input(agents)


def _data(agents: list[str]) -> dict[str, Any]:
    return {
        "users": {f"user-{n}": {"roles": ["support_manager", "reader"], "active": True} for n in range(500)},
        "orders": {f"o-{n}": {"customer": f"c-{n % 300}", "total": n} for n in range(2000)},
        "limits": {"refund": 200},
        "purposes": {"support": ["refunds", "complaints"]},
        "agents": dict.fromkeys(agents, True),
    }


def _input(agents: list[str]) -> dict[str, Any]:
    caveat = {
        "type": "arguments",
        "tool": "refund",
        "constraints": [{"path": "amount", "operator": "range", "operand": [0, 200]}],
    }
    return {
        "operation": "authorize",
        "subject": {
            "id": "user-42",
            "issuer": "https://idp.example",
            "claims": {"groups": ["support", "emea"]},
            "authenticated_at": 1,
        },
        "agent": {
            "id": agents[5],
            "issuer": "https://kube.example",
            "attributes": {"namespace": "support"},
            "sub_agent": "worker-3",
        },
        "task": {
            "id": "t-1",
            "purpose": "refunds",
            "statement": "Work off the open refunds",
            "intent_source": "signed",
            "started_at": 1,
            "expires_at": 2,
        },
        "delegation": {
            "depth": 5,
            "chain": [
                {
                    "holder": agent,
                    "sub_agent": "",
                    "caveats": [caveat, {"type": "tools", "tools": ["refund", "get_*"]}],
                }
                for agent in agents[:5]
            ],
            "constraints": [caveat] * 5,
            "children": 3,
        },
        "tool": {
            "name": "refund",
            "arguments": {"order": "o-42", "customer": "c-42", "amount": 20},
            "server": "orders",
            "annotations": {},
        },
        "context": {"time": 1, "asserted": {}},
        "budgets": {},
        "history": {"calls": [], "labels": []},
        "approvals": [],
    }


async def measure(call: Callable[[], Awaitable[Any]], count: int, at_once: int = 1) -> dict[str, float]:
    """Time ``count`` calls with ``at_once`` in flight; p50 and p99 in microseconds, and calls a second."""
    times: list[float] = []

    async def worker(share: int) -> None:
        for _ in range(share):
            begun = time.perf_counter()
            await call()
            times.append(time.perf_counter() - begun)
            await asyncio.sleep(0)

    begun = time.perf_counter()
    processor = time.process_time()
    await asyncio.gather(*(worker(count // at_once) for _ in range(at_once)))
    elapsed = time.perf_counter() - begun
    times.sort()
    return {
        "p50_us": statistics.median(times) * 1e6,
        "p99_us": times[len(times) * 99 // 100] * 1e6,
        "per_second": len(times) / elapsed,
        "cpu_us": (time.process_time() - processor) / len(times) * 1e6,
    }


def _row(name: str, figures: dict[str, float]) -> None:
    cells = "  ".join(f"{key} {value:9.0f}" for key, value in figures.items())
    sys.stdout.write(f"{name:44} {cells}\n")


async def _compare(policy: Policy, text: bytes, name: str, count: int) -> None:
    for at_once in (1, 8):
        figures = await measure(
            lambda: policy.evaluate(ENTRYPOINT, text, deadline_seconds=1.0), count, at_once
        )
        _row(f"{name}, {at_once} in flight", figures)


async def _beside_runaway(policy: Policy, text: bytes, policy_input: dict[str, Any], runaways: int) -> None:
    endless = json.dumps({**policy_input, "context": {"time": 1, "asserted": {"runaway": True}}}).encode()
    stop = asyncio.Event()

    async def run_away() -> None:
        while not stop.is_set():
            try:
                await policy.evaluate(ENTRYPOINT, endless, deadline_seconds=0.25)
            except EvaluationError as error:
                if error.code != "timeout":
                    raise
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(run_away()) for _ in range(runaways)]
    await asyncio.sleep(0.05)
    _row(
        f"beside {runaways} runaway(s)",
        await measure(lambda: policy.evaluate(ENTRYPOINT, text, deadline_seconds=1.0), 2000),
    )
    stop.set()
    await asyncio.gather(*tasks)


async def main(count: int = 5000) -> None:
    """Run every measurement and print the table."""
    modules, data, policy_input = example()
    text = json.dumps(policy_input).encode()
    sys.stdout.write(f"OPA {opa_version()}, input {len(text)} bytes\n")
    held = Engine().compile(modules, data, entrypoints=[ENTRYPOINT])
    mailed = Engine(hold_seconds=0).compile(modules, data, entrypoints=[ENTRYPOINT])
    slow = {
        **modules,
        "policy/slow.rego": 'package policy.slow\n\ngrant contains {"code": "x"} if crypto.sha256("a") == "b"',
    }
    handed = Engine().compile(slow, data, entrypoints=[ENTRYPOINT])
    metrics: dict[str, int] = {}
    await held.evaluate(ENTRYPOINT, text, deadline_seconds=1.0)
    await held.evaluate(ENTRYPOINT, text, deadline_seconds=1.0, metrics=metrics)
    sys.stdout.write(f"{metrics}\n")
    for _ in range(2):
        await _compare(held, text, "on the caller's thread, lock held", count)
        await _compare(handed, text, "on a goroutine, lock held while waiting", count)
        await _compare(mailed, text, "on a goroutine, through the eventfd", count)
    read = json.dumps({**policy_input, "tool": {"name": "get_order", "server": "orders"}}).encode()
    unknowns = ["input.tool.arguments"]
    figures = await measure(
        lambda: held.partial("data.policy.support.grant[_]", read, unknowns, deadline_seconds=1.0), 1000
    )
    _row("partial, tool arguments unknown", figures)
    for runaways in (1, 4):
        await _beside_runaway(held, text, policy_input, runaways)


if __name__ == "__main__":
    asyncio.run(main())
