"""Measures remembered answers: a sidecar that remembers beside one that doesn't, on calls that agree in what policy reads.

Three kinds of calls: all get a remembered answer, the demo's mix, which 26 holders make, and none does.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc

from bench.calls import KINDS, Requests, allowed
from bench.harness import Figure, compare, cpu_seconds, publish
from bench.setup import Bench, running

_GOALS = (("<= 0.92", "<= 0.88"), ("<= 0.97", "<= 0.96"), ("<= 1.05", "<= 1.05"))


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
            for (name, requests), goals in zip(KINDS, _GOALS, strict=True)
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
    return allowed(stub, requests)
