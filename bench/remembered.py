"""Measures remembered answers: a sidecar that remembers beside one that doesn't, on calls that agree in what policy reads.

Three kinds of calls: all get a remembered answer, none does, and the demo's mix, which 26 holders make.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import types_pb2
from tabard.delegation import branch

from bench.harness import Figure, compare, cpu_seconds, publish
from bench.setup import REFUND, Bench, running

HOLDERS = 26
_AMOUNTS = 9_999  # cents; the policy's limit is 10,000

Requests = Iterator[authorization_pb.AuthorizeRequest]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    blocks: int
    calls: int


FULL = Size(blocks=20, calls=260)
QUICK = Size(blocks=2, calls=20)


def run(*, quick: bool) -> bool:
    """Run every measurement and tell whether every goal is met."""
    size = QUICK if quick else FULL
    with running() as remembers, running(overrides={"policy.remembered_kib": 0}) as evaluates:
        figures = [
            figure
            for name, requests, goals in (
                ("every answer remembered", _same, ("<= 0.92", "<= 0.88")),
                ("no answer remembered", _different, ("<= 1.05", "<= 1.05")),
                ("the demo's calls", _mix, ("<= 0.97", "<= 0.96")),
            )
            for figure in _compared(name, requests, goals, remembers, evaluates, size)
        ]
    return True if quick else publish("remembered", figures)


def _compared(  # noqa: PLR0913, PLR0917 - what is compared, and how
    name: str,
    requests: Callable[[Bench], Requests],
    goals: tuple[str, str],
    remembers: Bench,
    evaluates: Bench,
    size: Size,
) -> Iterator[Figure]:
    pids = remembers.pid, evaluates.pid
    before = [cpu_seconds(pid) for pid in pids]
    callers = [_caller(one, requests(one)) for one in (remembers, evaluates)]
    found = compare(*callers, blocks=size.blocks, calls=size.calls)
    spent = [cpu_seconds(pid) - then for pid, then in zip(pids, before, strict=True)]
    yield Figure(f"p50 over evaluating, {name}", found.ratio, "x", goals[0], found.spread)
    yield Figure(f"server CPU over evaluating, {name}", spent[0] / max(spent[1], 0.01), "x", goals[1])
    yield Figure(f"p50, {name}", statistics.median(found.first) * 1e6, "us")
    calls = size.calls * (size.blocks + 1)
    yield Figure(f"server CPU per 1,000 decisions, {name}", spent[0] / calls * 1e6, "ms")


def _caller(bench: Bench, requests: Requests) -> Callable[[], object]:
    stub = authorization_grpc.AuthorizationServiceStub(grpc.insecure_channel(bench.address))

    def call() -> object:
        reply = stub.Authorize(next(requests))
        if reply.decision.effect != types_pb2.EFFECT_ALLOW:
            raise RuntimeError(f"a measured call isn't allowed: {reply}")
        return reply

    return call


def _request(grant: str, tool: str, arguments: dict[str, object]) -> authorization_pb.AuthorizeRequest:
    call = types_pb2.ToolCall(name=tool, arguments_json=json.dumps(arguments).encode())
    return authorization_pb.AuthorizeRequest(grant=grant, tool=call)


def _same(bench: Bench) -> Requests:
    """Refunds of one amount, of different orders."""
    grant, refund = bench.grant(5), json.loads(REFUND)
    for number in itertools.count():
        yield _request(grant, "refunds.create", refund | {"order_id": f"o-{number}"})


def _different(bench: Bench) -> Requests:
    """Refunds of different amounts, which policy looks at."""
    grant, refund = bench.grant(5), json.loads(REFUND)
    for number in itertools.count():
        yield _request(grant, "refunds.create", refund | {"amount_cents": 1 + number % _AMOUNTS})


def _mix(bench: Bench) -> Requests:
    """The demo's calls, of as many holders; of the refunds each second has another amount."""
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
