"""Measures what a sidecar and its Redis take, for docs/operations.md; needs redis-server.

One real sidecar answers calls at a fixed rate: each charges two budgets at three places of the chain, is recorded, and gives
a credential. The processor's time depends less on what else the machine does than durations do.
"""

from __future__ import annotations

import asyncio
import time

import grpc
import redis as redis_client
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import types_pb2

from bench.harness import Figure, cpu_seconds, kept_bytecode, private_bytes, publish, resident_bytes
from bench.state import WATCHED, WORKLOAD, authorize_request, begin, branch, redis, running
from testbed.world import World

RATES = (1, 10, 50, 100, 200)
_CALLS = 10
_IN_FLIGHT = 64
_MB, _KB = 1_000_000, 1_000


def run(*, quick: bool) -> bool:
    """Measure; there is no goal."""
    loop = asyncio.new_event_loop()
    seconds, tasks = (2.0, 10) if quick else (30.0, 300)
    try:
        with kept_bytecode():
            with running(WATCHED, "", loop) as world:
                figures = loop.run_until_complete(_rates(world, "SQLite", seconds))
            with redis() as url, running(WATCHED, url, loop) as world:
                server = redis_client.Redis.from_url(url)
                figures += loop.run_until_complete(_rates(world, "Redis", seconds, server))
                figures += loop.run_until_complete(_kept(world, server, tasks))
    finally:
        loop.close()
    if quick:
        for figure in figures:
            print(f"  {figure.name}: {figure.value:.2f} {figure.unit}")
        return True
    return publish("sizing", figures)


async def _rates(
    world: World, store: str, seconds: float, server: redis_client.Redis | None = None
) -> list[Figure]:
    """Return what the sidecar takes at each rate, and ``server`` beside it."""
    process = world.sidecars[WORKLOAD].process
    if process is None:
        raise RuntimeError("the sidecar has no process")
    measured = {f"sidecar on {store}": process.pid}
    if server is not None:
        measured["Redis itself"] = int(server.info("server")["process_id"])
    figures = []
    async with grpc.aio.insecure_channel(world.sidecars[WORKLOAD].address) as channel:
        stub = authorization_grpc.AuthorizationServiceStub(channel)
        grants = [branch(await begin(world), budgets=True) for _ in range(10)]
        await asyncio.gather(*(_call(stub, grant) for grant in grants))
        # What a start leaves to be done.
        await asyncio.sleep(min(20.0, seconds))
        for rate in (0, *RATES):
            before = {name: cpu_seconds(pid) for name, pid in measured.items()}
            began = time.perf_counter()
            await _at(stub, grants, rate, seconds)
            passed = time.perf_counter() - began
            for name, pid in measured.items():
                share = 100 * (cpu_seconds(pid) - before[name]) / passed
                figures.append(Figure(f"processor at {rate} calls/s, {name}", share, "% of a core"))
            figures.append(
                Figure(
                    f"resident after {rate} calls/s, sidecar on {store}",
                    resident_bytes(process.pid) / _MB,
                    "MB",
                )
            )
    anonymous = private_bytes(process.pid) / _MB
    return [*figures, Figure(f"RssAnon after all, sidecar on {store}", anonymous, "MB")]


async def _at(
    stub: authorization_grpc.AuthorizationServiceAsyncStub, grants: list[str], rate: int, seconds: float
) -> None:
    """Make calls at fixed times, whether or not the former ones were answered, up to a bound."""
    if not rate:
        await asyncio.sleep(seconds)
        return
    began, calls = time.perf_counter(), []
    room = asyncio.Semaphore(_IN_FLIGHT)

    async def call(grant: str) -> None:
        async with room:
            await _call(stub, grant)

    for number in range(int(seconds * rate)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        calls.append(asyncio.create_task(call(grants[number % len(grants)])))
    await asyncio.gather(asyncio.sleep(max(0.0, began + seconds - time.perf_counter())), *calls)


async def _call(stub: authorization_grpc.AuthorizationServiceAsyncStub, grant: str) -> None:
    reply = await stub.Authorize(authorize_request(grant))
    if reply.decision.effect != types_pb2.EFFECT_ALLOW:
        raise RuntimeError(reply)


async def _kept(world: World, server: redis_client.Redis, tasks: int) -> list[Figure]:
    """Return the memory and disk that tasks and their calls take in Redis."""
    async with grpc.aio.insecure_channel(world.sidecars[WORKLOAD].address) as channel:
        stub = authorization_grpc.AuthorizationServiceStub(channel)
        before = _sizes(server)
        grants = [branch(await begin(world), budgets=True) for _ in range(tasks)]
        for grant in grants:
            await _call(stub, grant)
        started = _sizes(server)
        for grant in grants * _CALLS:
            await _call(stub, grant)
        called = _sizes(server)
    server.close()
    calls = tasks * _CALLS
    return [
        Figure("Redis: memory of a task with its first call", (started[0] - before[0]) / tasks / _KB, "KB"),
        Figure("Redis: memory of each further call", (called[0] - started[0]) / calls / _KB, "KB"),
        Figure("Redis: append-only file of a call", (called[1] - started[1]) / calls / _KB, "KB"),
    ]


def _sizes(server: redis_client.Redis) -> tuple[int, int]:
    """Return the bytes of memory that are used, and those of the append-only file."""
    return server.info("memory")["used_memory"], server.info("persistence")["aof_current_size"]
