"""The calls that benchmarks make: such as agree in all that policy reads, such as never do, and a mix."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Callable, Iterator

from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import types_pb2
from tabard.delegation import branch

from bench.setup import MEASURED, REFUND, Bench
from testbed.world import http_get

HOLDERS = 26
_AMOUNTS = 9_999  # cents; the policy's limit is 10,000
_COUNTED = re.compile(r'^tabard_policy_evaluations_total\{result="(\w+)"\} (\S+)$', re.MULTILINE)

Requests = Iterator[authorization_pb.AuthorizeRequest]


def same(bench: Bench) -> Requests:
    """Yield refunds of one amount, of different orders."""
    grant, refund = bench.grant(5), json.loads(REFUND)
    for number in itertools.count():
        yield _request(grant, "refunds.create", refund | {"order_id": f"o-{number}"})


def different(bench: Bench) -> Requests:
    """Yield refunds of different amounts, which policy looks at."""
    grant, refund = bench.grant(5), json.loads(REFUND)
    for number in itertools.count():
        yield _request(grant, "refunds.create", refund | {"amount_cents": 1 + number % _AMOUNTS})


def mix(bench: Bench) -> Requests:
    """Yield the demo's calls, of as many holders; of the refunds each second has another amount."""
    grant, refund = bench.grant(5), json.loads(REFUND)
    grants = [branch(grant, f"worker-{number:02d}") for number in range(HOLDERS)]
    for number in itertools.count():
        holder = grants[number % HOLDERS]
        yield _request(holder, "tickets.search", {"query": f"refund {number}"})
        yield _request(holder, "tickets.read", {"ticket_id": f"t-{number}"})
        yield _request(holder, "orders.read", {"order_id": f"o-{number}"})
        yield _request(holder, "customers.read", {"customer_id": f"c-{number}"})
        amount = 4200 if number % 2 else 1 + number % _AMOUNTS
        yield _request(holder, "refunds.create", refund | {"amount_cents": amount})


KINDS: tuple[tuple[str, Callable[[Bench], Requests]], ...] = (
    ("every answer remembered", same),
    ("the demo's calls", mix),
    ("no answer remembered", different),
)
"""The kinds of calls by name. Those that gain nothing come last: after them a sidecar doesn't look for answers for a while."""


def evaluations(bench: Bench) -> tuple[float, float]:
    """Return how many evaluations the measured sidecar was asked for, and how many got a remembered answer."""
    _, page = asyncio.run(http_get(bench.world.sidecars[MEASURED].http, "/metrics"))
    counts = {result: float(value) for result, value in _COUNTED.findall(page.decode())}
    return sum(counts.values()), counts["remembered"]


def _request(grant: str, tool: str, arguments: dict[str, object]) -> authorization_pb.AuthorizeRequest:
    call = types_pb2.ToolCall(name=tool, arguments_json=json.dumps(arguments).encode())
    return authorization_pb.AuthorizeRequest(grant=grant, tool=call)


def allowed(stub: authorization_grpc.AuthorizationServiceStub, requests: Requests) -> Callable[[], object]:
    """Return what makes the next call, and fails if it isn't allowed."""

    def call() -> object:
        reply = stub.Authorize(next(requests))
        if reply.decision.effect != types_pb2.EFFECT_ALLOW:
            raise RuntimeError(f"a measured call isn't allowed: {reply}")
        return reply

    return call
