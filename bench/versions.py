"""Compares this version with another checkout: alternates calls of both in one run.

Run as ``make bench-versions OTHER=FOLDER``; writes bench/results/versions.json. Each version serves its own examples.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import types_pb2

from bench.authorize import calls_per_second
from bench.harness import (
    Figure,
    compare,
    cpu_seconds,
    kept_bytecode,
    private_bytes,
    publish,
    resident_bytes,
)
from bench.setup import authorize_request as refund
from bench.state import authorize_request as payment

HERE = Path(__file__).resolve().parent.parent
BLOCKS, CALLS = 12, 100
STARTS = 7
IN_FLIGHT, RATE_SECONDS = 32, 1.0

# The program that is started in each checkout. Older ones name two functions with an underscore before.
AUTHORIZE = """
import json, sys
from bench.setup import running
with running() as bench:
    print(json.dumps({"address": bench.address, "grant": bench.grant(5), "pid": bench.pid}), flush=True)
    sys.stdin.read()
"""
STATE = """
import asyncio, contextlib, json, sys
from bench import state
loop = asyncio.new_event_loop()
begin = getattr(state, "begin", None) or state._start
branch = getattr(state, "branch", None) or state._branch
with %s as url, state.running(state.WATCHED, url, loop) as world:
    grant = branch(loop.run_until_complete(begin(world)), budgets=True)
    sidecar = world.sidecars[state.WORKLOAD]
    print(json.dumps({"address": sidecar.address, "grant": grant, "pid": sidecar.process.pid}), flush=True)
    sys.stdin.read()
"""
# Both versions are asked every few milliseconds whether they are ready, however rarely a checkout's own world asks.
START = """
import asyncio
from bench.authorize import _ready_seconds
from bench.setup import running
sleep = asyncio.sleep
asyncio.sleep = lambda seconds: sleep(min(seconds, 0.005))
with running() as bench:
    print(_ready_seconds(bench))
"""
SCENARIOS: tuple[tuple[str, str, Callable[[str, int], authorization_pb.AuthorizeRequest]], ...] = (
    ("authorize, depth 5, jwt", AUTHORIZE, refund),
    (
        "state on SQLite",
        STATE % 'contextlib.nullcontext("")',
        lambda grant, number: payment(grant, 1 + number),
    ),
    ("state on Redis", STATE % "state.redis()", lambda grant, number: payment(grant, 1 + number)),
)


def main() -> int:
    """Compare and publish."""
    parser = argparse.ArgumentParser(prog="bench.versions", description=__doc__)
    parser.add_argument("other", type=Path, help="checkout of the version to compare with")
    other = parser.parse_args().other.resolve()
    with kept_bytecode():
        for checkout in (HERE, other):
            _started(checkout)
        return _measure(other)


def _measure(other: Path) -> int:
    figures = [figure for scenario in SCENARIOS for figure in _scenario(*scenario, other)]
    ready = [[_started(checkout) for checkout in (HERE, other)] for _ in range(STARTS)]
    figures.append(_ratio("ready after start", [mine / theirs for mine, theirs in ready]))
    return 0 if publish("versions", figures) else 1


@contextmanager
def _served(checkout: Path, script: str) -> Iterator[dict[str, Any]]:
    """Start a scenario in a checkout; yield address, grant and process id."""
    process = subprocess.Popen(
        [_python(checkout), "-c", script],
        cwd=checkout,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.communicate("")


def _scenario(
    name: str,
    script: str,
    request: Callable[[str, int], authorization_pb.AuthorizeRequest],
    other: Path,
) -> Iterator[Figure]:
    """Compare pairs of fresh processes: two starts of one version differ by several per cent, too."""
    pairs = [_compared(script, request, other, swapped=bool(start % 2)) for start in range(STARTS)]
    yield _ratio(f"{name}: p50", [pair.p50 for pair in pairs], "<= 1.03")
    yield _ratio(f"{name}: server CPU", [pair.cpu for pair in pairs], "<= 1.03")
    rates = [pair.rate for pair in pairs]
    yield _ratio(f"{name}: decisions/s with {IN_FLIGHT} in flight on one task", rates, ">= 0.97")
    yield _ratio(f"{name}: private memory", [pair.private for pair in pairs])
    yield _ratio(f"{name}: resident, mapped files included", [pair.resident for pair in pairs], "")


def _compared(
    script: str,
    request: Callable[[str, int], authorization_pb.AuthorizeRequest],
    other: Path,
    *,
    swapped: bool,
) -> _Pair:
    """Start one process of each version, in either order, and compare them in turns."""
    with ExitStack() as stack:
        order = (other, HERE) if swapped else (HERE, other)
        started = {checkout: stack.enter_context(_served(checkout, script)) for checkout in order}
        mine, theirs = started[HERE], started[other]
        before = [cpu_seconds(one["pid"]) for one in (mine, theirs)]
        found = compare(_caller(mine, request), _caller(theirs, request), blocks=BLOCKS, calls=CALLS)
        after = [cpu_seconds(one["pid"]) for one in (mine, theirs)]
        private, resident = (
            [measure(one["pid"]) for one in (mine, theirs)] for measure in (private_bytes, resident_bytes)
        )
        rates = [asyncio.run(_decisions_per_second(one, request)) for one in (mine, theirs)]
        return _Pair(
            p50=found.ratio,
            rate=rates[0] / rates[1],
            cpu=(after[0] - before[0]) / (after[1] - before[1]),
            private=private[0] / private[1],
            resident=resident[0] / resident[1],
        )


@dataclass(frozen=True, slots=True)
class _Pair:
    """This version's figures over the other's, of one pair of processes."""

    p50: float
    rate: float
    cpu: float
    private: float
    resident: float


def _ratio(name: str, ratios: list[float], goal: str = "<= 1.0") -> Figure:
    spread = f"starts {min(ratios):.2f}-{max(ratios):.2f}"
    return Figure(f"{name}, this over other", statistics.median(ratios), "x", goal, spread)


def _caller(
    served: dict[str, Any], request: Callable[[str, int], authorization_pb.AuthorizeRequest]
) -> Callable[[], object]:
    stub = authorization_grpc.AuthorizationServiceStub(grpc.insecure_channel(served["address"]))
    number = 0

    def call() -> object:
        nonlocal number
        number += 1
        reply = stub.Authorize(request(served["grant"], number))
        assert reply.decision.effect == types_pb2.EFFECT_ALLOW, reply
        return reply

    return call


async def _decisions_per_second(
    served: dict[str, Any], request: Callable[[str, int], authorization_pb.AuthorizeRequest]
) -> float:
    async with grpc.aio.insecure_channel(served["address"]) as channel:
        stub = authorization_grpc.AuthorizationServiceStub(channel)

        async def call(number: int) -> None:
            reply = await stub.Authorize(request(served["grant"], number))
            assert reply.decision.effect == types_pb2.EFFECT_ALLOW, reply

        return await calls_per_second(call, IN_FLIGHT, RATE_SECONDS)


def _started(checkout: Path) -> float:
    run = subprocess.run(
        [_python(checkout), "-c", START], cwd=checkout, capture_output=True, text=True, check=True
    )
    return float(run.stdout)


def _python(checkout: Path) -> str:
    return str(checkout / ".venv" / "bin" / "python")


if __name__ == "__main__":
    sys.exit(main())
