"""Measures Authorize with a jwt credential against a bare echo server and against a hand-written baseline."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import types_pb2
from tabard.caveats import Limits
from tabard.delegation import narrow

from bench.calls import KINDS, allowed, evaluations, mix
from bench.echo_server import METHOD
from bench.glue import Glue
from bench.harness import Figure, compare, cpu_seconds, percentile, publish, resident_bytes, timed
from bench.opa_server import opa_server
from bench.setup import Bench, authorize_request, echo, running

DEPTHS = (1, 5, 8)
IN_FLIGHT = (1, 8, 32)
BATCH = 20
FILTERED = 50
FILTERED_TOOLS = ("tickets.read", "tickets.search", "orders.read", "customers.read", "refunds.create")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    blocks: int
    calls: int
    rate_seconds: float
    memory_calls: int


FULL = Size(blocks=20, calls=150, rate_seconds=2.0, memory_calls=100_000)
QUICK = Size(blocks=2, calls=20, rate_seconds=0.3, memory_calls=1_000)


def run(*, quick: bool) -> bool:
    """Run every measurement and tell whether every goal is met."""
    size = QUICK if quick else FULL
    with running() as bench:
        grants = {depth: bench.grant(depth) for depth in DEPTHS}
        stub = authorization_grpc.AuthorizationServiceStub(grpc.insecure_channel(bench.address))
        for grant in grants.values():
            reply = stub.Authorize(authorize_request(grant))
            if reply.decision.effect != types_pb2.EFFECT_ALLOW or not reply.decision.credential.value:
                raise RuntimeError(f"a measured call isn't allowed: {reply}")
        figures = [
            *_latency(grants, stub, reply.ByteSize(), size),
            *_kinds(bench, stub, reply.ByteSize(), size),
            *_rates(bench, grants, reply.ByteSize(), size),
            *_against_glue(bench, grants[5], stub, size),
            *_first_use(grants[5], stub, size),
            _filtering(grants[5], stub, size),
            *_resources(bench, grants[5], size),
            Figure("ready after start", _ready_seconds(bench), "s", "<= 1.5"),
        ]
    if quick:
        return True
    return publish("authorize", figures)


def _caller(stub: authorization_grpc.AuthorizationServiceStub, grant: str) -> Callable[[], object]:
    number = 0

    def call() -> object:
        nonlocal number
        number += 1
        return stub.Authorize(authorize_request(grant, number))

    return call


def _latency(
    grants: dict[int, str],
    stub: authorization_grpc.AuthorizationServiceStub,
    reply_bytes: int,
    size: Size,
) -> Iterator[Figure]:
    with echo(reply_bytes) as address, grpc.insecure_channel(address) as channel:
        floor = channel.unary_unary(METHOD)
        for depth in DEPTHS:
            raw = authorize_request(grants[depth]).SerializeToString()
            found = compare(
                _caller(stub, grants[depth]), lambda raw=raw: floor(raw), blocks=size.blocks, calls=size.calls
            )
            goal = "<= 1.8" if depth == 5 else ""
            yield Figure(f"p50 of depth {depth} over echo", found.ratio, "x", goal, found.spread)
            yield Figure(f"p50 of depth {depth}", statistics.median(found.first) * 1e6, "us")
            yield Figure(f"p99 of depth {depth}", percentile(found.first, 0.99) * 1e6, "us")
        yield Figure("p50 of echo", statistics.median(found.second) * 1e6, "us")
    found = compare(_caller(stub, grants[8]), _caller(stub, grants[1]), blocks=size.blocks, calls=size.calls)
    yield Figure("p50 of depth 8 over depth 1", found.ratio, "x", "<= 1.1", found.spread)


def _kinds(
    bench: Bench, stub: authorization_grpc.AuthorizationServiceStub, reply_bytes: int, size: Size
) -> Iterator[Figure]:
    """Measure calls by how many of their evaluations get a remembered answer; the goals are those of the mix."""
    with echo(reply_bytes) as address, grpc.insecure_channel(address) as channel:
        floor, raw = channel.unary_unary(METHOD), authorize_request(bench.grant(5)).SerializeToString()
        for name, requests in KINDS:
            goals = ("<= 1.8", "<= 650") if requests is mix else ("", "")
            # More than one round of the mix, so that what a first call of each holder takes isn't measured.
            calls = 2 * size.calls
            before, spent = evaluations(bench), cpu_seconds(bench.pid)
            found = compare(
                allowed(stub, requests(bench)), lambda: floor(raw), blocks=size.blocks, calls=calls
            )
            spent, after = cpu_seconds(bench.pid) - spent, evaluations(bench)
            asked, remembered = (now - then for now, then in zip(after, before, strict=True))
            yield Figure(f"evaluations remembered, {name}", 100 * remembered / max(asked, 1), "%")
            yield Figure(f"p50 over echo, {name}", found.ratio, "x", goals[0], found.spread)
            yield Figure(f"p50, {name}", statistics.median(found.first) * 1e6, "us")
            per_thousand = spent / (calls * (size.blocks + 1)) * 1e6
            yield Figure(f"server CPU per 1,000 decisions, {name}", per_thousand, "ms", goals[1])


async def calls_per_second(call: Callable[[int], Awaitable[object]], in_flight: int, seconds: float) -> float:
    """Return calls per second with so many in flight."""
    done = 0
    until = time.perf_counter() + seconds

    async def one() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await call(done)
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(in_flight)))
    return done / (time.perf_counter() - began)


def _rates(bench: Bench, grants: dict[int, str], reply_bytes: int, size: Size) -> Iterator[Figure]:
    with echo(reply_bytes) as address:
        yield from asyncio.run(_all_rates(bench, grants, address, size))


async def _all_rates(bench: Bench, grants: dict[int, str], echo_address: str, size: Size) -> list[Figure]:
    figures = []
    async with (
        grpc.aio.insecure_channel(bench.address) as channel,
        grpc.aio.insecure_channel(echo_address) as floor,
    ):
        stub = authorization_grpc.AuthorizationServiceStub(channel)
        bare = floor.unary_unary(METHOD)
        raw = authorize_request(grants[5]).SerializeToString()
        for in_flight in IN_FLIGHT:
            for depth in DEPTHS:
                rate = await calls_per_second(
                    lambda n, g=grants[depth]: stub.Authorize(authorize_request(g, n)),
                    in_flight,
                    size.rate_seconds,
                )
                figures.append(Figure(f"decisions/s, depth {depth}, {in_flight} in flight", rate, "1/s"))
            rate = await calls_per_second(lambda _: bare(raw), in_flight, size.rate_seconds)
            figures.append(Figure(f"echoes/s, {in_flight} in flight", rate, "1/s"))
        figures += await _batches(stub, grants[5], size)
        figures.append(Figure("decisions/s on one stream", await _stream(stub, grants[5], size), "1/s"))
    return figures


async def _batches(stub: authorization_grpc.AuthorizationServiceStub, grant: str, size: Size) -> list[Figure]:
    items = [authorization_pb.AuthorizeRequest(tool=authorize_request("", n).tool) for n in range(BATCH)]
    batch = authorization_pb.BatchAuthorizeRequest(grant=grant, items=items)
    ratios = []
    rates = []
    for _ in range(max(2, size.blocks // 3)):
        single = await calls_per_second(
            lambda n: stub.Authorize(authorize_request(grant, n)), 1, size.rate_seconds / 4
        )
        batched = BATCH * await calls_per_second(
            lambda _: stub.BatchAuthorize(batch), 1, size.rate_seconds / 4
        )
        ratios.append(batched / single)
        rates.append(batched)
    spread = f"rounds {min(ratios):.2f}-{max(ratios):.2f}"
    return [
        Figure("decisions/s in batches of 20", statistics.median(rates), "1/s"),
        Figure("batches of 20 over single calls", statistics.median(ratios), "x", ">= 3.5", spread),
    ]


async def _stream(stub: authorization_grpc.AuthorizationServiceStub, grant: str, size: Size) -> float:
    total = int(size.rate_seconds * 1000)
    window = asyncio.Semaphore(32)

    async def requests() -> object:
        for n in range(total):
            await window.acquire()
            yield authorization_pb.StreamAuthorizeRequest(
                correlation_id=str(n), request=authorize_request(grant, n)
            )

    began = time.perf_counter()
    async for _ in stub.StreamAuthorize(requests()):
        window.release()
    return total / (time.perf_counter() - began)


def _against_glue(
    bench: Bench, grant: str, stub: authorization_grpc.AuthorizationServiceStub, size: Size
) -> Iterator[Figure]:
    log = bench.world.sidecars["worker"].folder / "decisions.log"
    records = map(json.loads, log.read_text().splitlines())
    policy_input = next(record["input"] for record in records if record["operation"] == "authorize")
    tool, arguments = policy_input["tool"]["name"], policy_input["tool"]["arguments"]
    with opa_server(bench.world.policy) as address:
        url = f"{address}/v1/data/tabard/decision"
        glue = Glue(url, 5, policy_input)
        found = compare(
            _caller(stub, grant),
            lambda: glue.authorize(tool, arguments),
            blocks=size.blocks,
            calls=size.calls // 2 or 1,
        )
        yield Figure("p50 of the glue, depth 5", statistics.median(found.second) * 1e6, "us")
        yield Figure("p50 over the glue, depth 5", found.ratio, "x", "<= 0.55", found.spread)
        rates = []
        for _ in range(max(2, size.blocks // 4)):
            ours = asyncio.run(_own_rate(bench, grant, size))
            rates.append((ours, _glue_rate(url, policy_input, size)))
        ratios = [ours / glue_rate for ours, glue_rate in rates]
        yield Figure("decisions/s of the glue, 8 in flight", statistics.median(r for _, r in rates), "1/s")
        yield Figure(
            "decisions/s over the glue, 8 in flight",
            statistics.median(ratios),
            "x",
            ">= 3.5",
            f"rounds {min(ratios):.2f}-{max(ratios):.2f}",
        )


async def _own_rate(bench: Bench, grant: str, size: Size) -> float:
    async with grpc.aio.insecure_channel(bench.address) as channel:
        stub = authorization_grpc.AuthorizationServiceStub(channel)
        return await calls_per_second(
            lambda n: stub.Authorize(authorize_request(grant, n)), 8, size.rate_seconds / 2
        )


def _glue_rate(url: str, policy_input: dict, size: Size) -> float:
    """Return the glue's calls per second from eight threads, each with a session of its own."""
    tool, arguments = policy_input["tool"]["name"], policy_input["tool"]["arguments"]
    until = time.perf_counter() + size.rate_seconds / 2

    def work(glue: Glue) -> int:
        done = 0
        while time.perf_counter() < until:
            glue.authorize(tool, arguments)
            done += 1
        return done

    glues = [Glue(url, 5, policy_input) for _ in range(8)]
    until = time.perf_counter() + size.rate_seconds / 2
    began = time.perf_counter()
    with ThreadPoolExecutor(8) as threads:
        done = sum(threads.map(work, glues))
    return done / (time.perf_counter() - began)


def _first_use(grant: str, stub: authorization_grpc.AuthorizationServiceStub, size: Size) -> Iterator[Figure]:
    fresh = [narrow(grant, Limits(ttl_seconds=600 + n)) for n in range(size.calls)]
    first = [timed(lambda g=g: stub.Authorize(authorize_request(g)), 1)[0] for g in fresh]
    again = [timed(lambda g=g: stub.Authorize(authorize_request(g)), 1)[0] for g in fresh]
    yield Figure("p50 of a grant's first use, depth 5", statistics.median(first) * 1e6, "us")
    yield Figure("first use over repeated use", statistics.median(first) / statistics.median(again), "x")


def _filtering(grant: str, stub: authorization_grpc.AuthorizationServiceStub, size: Size) -> Figure:
    """Ask under new grants, for which no answer is cached."""
    tools = [
        authorization_pb.ToolRef(name=name, server=f"server-{n}")
        for n in range(FILTERED // len(FILTERED_TOOLS))
        for name in FILTERED_TOOLS
    ]
    seconds = []
    for n in range(size.calls // 3):
        request = authorization_pb.FilterToolsRequest(
            grant=narrow(grant, Limits(ttl_seconds=300 + n)), tools=tools
        )
        seconds += timed(lambda request=request: stub.FilterTools(request), 1)
    return Figure("FilterTools, a tool of 50", statistics.median(seconds) / FILTERED * 1e3, "ms", "<= 0.5")


def _resources(bench: Bench, grant: str, size: Size) -> Iterator[Figure]:
    async def calls(count: int) -> None:
        async with grpc.aio.insecure_channel(bench.address) as channel:
            stub = authorization_grpc.AuthorizationServiceStub(channel)
            left = iter(range(count))

            async def one() -> None:
                for n in left:
                    await stub.Authorize(authorize_request(grant, n))

            await asyncio.gather(*(one() for _ in range(8)))

    before = cpu_seconds(bench.pid)
    asyncio.run(calls(size.memory_calls // 2))
    spent = cpu_seconds(bench.pid) - before
    half = resident_bytes(bench.pid)
    asyncio.run(calls(size.memory_calls // 2))
    full = resident_bytes(bench.pid)
    per_thousand = spent / (size.memory_calls / 2) * 1000
    yield Figure("server CPU per 1,000 decisions, 8 in flight", per_thousand * 1e3, "ms", "<= 650")
    yield Figure(f"resident after {size.memory_calls:,} calls", full / 1e6, "MB", "<= 140")
    yield Figure("growth over the last half", (full - half) / (size.memory_calls / 2), "B/call", "<= 10")


def _ready_seconds(bench: Bench) -> float:
    """Start the measured sidecar's twin several times; return the median time until it is ready."""
    return statistics.median(bench.restart_seconds() for _ in range(5))
