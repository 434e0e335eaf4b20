"""Measures the cost of budgets, history and fan-out, on SQLite and on Redis; needs redis-server.

Two real sidecars answer the same calls in turns. One has neither budgets nor history; the other charges two
budgets at three places of the chain, counts children, keeps every call and denies by the task's labels. The
policy of a third one also iterates over the last calls in its input.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import grpc
import tabard
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import types_pb2
from tabard.caveats import Limits

from bench.authorize import calls_per_second
from bench.harness import Compared, Figure, compare, publish
from bench.propagation import propagation
from testbed.world import PERSON, World
from tests.support.redis_server import redis_server

WORKLOAD = "worker"
_PLENTY = 10**12
_LIMITS = """{
	"tools": ["*"], "audiences": ["bank"], "scopes": ["pay"], "max_depth": 5, "max_children": 5000, "ttl_seconds": 3000%s
}"""
_POLICY = """
# METADATA
# custom: {tabard: {labels: [untrusted]}}
package policy.desk

start contains {"code": "desk", "limits": %s} if input.subject.id != ""

grant contains {
	"code": "pay",
	"credential": {"kind": "jwt", "audience": "bank", "scopes": ["pay"], "ttl_seconds": 60}%s
} if {
	input.tool.name == "pay"
}
"""
PLAIN = _POLICY % (_LIMITS % "", "")
WATCHED = _POLICY % (
    _LIMITS % f', "budgets": {{"cents": {_PLENTY}, "calls": {_PLENTY}}}',
    ',\n\t"charges": {"cents": input.tool.arguments.cents, "calls": 1}',
) + ('\ndeny contains {"code": "tainted", "message": "it has read"} if "untrusted" in input.history.labels\n')
LOOKING = (
    WATCHED
    + """
deny contains {"code": "deleted", "message": "it has deleted"} if {
	some call in input.history.calls
	call.tool == "delete"
}
"""
)


@contextmanager
def running(
    policy: str, state_url: str, loop: asyncio.AbstractEventLoop, *, remembers: bool = True
) -> Iterator[World]:
    """Start a sidecar, which may remember answers of its policy; stop it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="tbs", dir="/tmp"))
    # Only one of the measured servers may lose writes; the flag has no effect on the other.
    state = {"state": {"url": state_url, "redis": {"accept_weak_durability": True}}} if state_url else {}
    overrides = state if remembers else state | {"policy.remembered_kib": 0}
    world = World(folder, workloads=(WORKLOAD,), policy={"desk/desk.rego": policy}, overrides=overrides)
    try:
        world.prepare()
        loop.run_until_complete(world.start())
        yield world
    finally:
        loop.run_until_complete(world.stop())
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis(*arguments: str) -> Iterator[str]:
    """Start a Redis that writes to disk before it answers, unless ``arguments`` say otherwise; yield its address."""
    with (
        tempfile.TemporaryDirectory(prefix="tbr", dir="/tmp") as folder,
        redis_server(Path(folder), *arguments) as server,
    ):
        yield server.url


@contextmanager
def redis_every_second() -> Iterator[str]:
    """Start a Redis that writes to disk once a second, to see what waiting for the disk costs."""
    with redis("--appendfsync", "everysec") as url:
        yield url


def run(*, quick: bool) -> bool:
    """Measure and tell whether every goal is met."""
    loop = asyncio.new_event_loop()
    figures: list[Figure] = []
    try:
        for name, goal, store in (("SQLite", "<= 1.25", _no_url), ("Redis", "<= 1.5", redis)):
            with store() as url:
                figures += _store(name, goal, url, loop, quick=quick)
        with redis_every_second() as url:
            figures += islice(_store("Redis without waiting for its disk", "", url, loop, quick=quick), 2)
        with redis() as url:
            figures += loop.run_until_complete(_propagation(url, 20 if quick else 300))
    finally:
        loop.close()
    return True if quick else publish("state", figures)


@contextmanager
def _no_url() -> Iterator[str]:
    yield ""


def _store(
    name: str, goal: str, url: str, loop: asyncio.AbstractEventLoop, *, quick: bool
) -> Iterator[Figure]:
    blocks, calls = (2, 20) if quick else (20, 100)
    # The plain sidecar has a state file of its own, so that it doesn't share locks with the other, and evaluates each call as
    # the other has to: what its budgets have left differs in every call.
    with (
        running(PLAIN, "", loop, remembers=False) as plain,
        running(WATCHED, url, loop) as watched,
    ):
        found = _against(plain, watched, loop, blocks=blocks, calls=calls)
        yield Figure(f"p50 with state on {name} over without", found.ratio, "x", goal, found.spread)
        yield Figure(f"p50 with state on {name}", statistics.median(found.first) * 1e6, "us")
        yield Figure(f"p50 without, beside {name}", statistics.median(found.second) * 1e6, "us")
        with running(LOOKING, url, loop) as looking:
            found = _against(plain, looking, loop, blocks=blocks, calls=calls)
        yield Figure(f"p50 with past calls gone through, on {name}", found.ratio, "x", "", found.spread)
        rounds = 2 if quick else 7
        ratios = [
            loop.run_until_complete(_one_against_many(watched, 0.3 if quick else 1.5)) for _ in range(rounds)
        ]
        spread = f"rounds {min(ratios):.2f}-{max(ratios):.2f}"
        yield Figure(
            f"32 in flight on one task over 32 tasks, {name}",
            statistics.median(ratios),
            "x",
            ">= 0.7",
            spread,
        )
        old, fresh = loop.run_until_complete(_large(watched, 40 if quick else 400, 200 if quick else 10_000))
        aged = _compare_grants(watched, old, fresh, blocks=blocks, calls=calls)
        yield Figure(
            f"p50 of a task with 10,000 calls and 400 holders over a fresh one, {name}",
            aged.ratio,
            "x",
            "<= 1.1",
            aged.spread,
        )


def authorize_request(grant: str, cents: int = 1) -> authorization_pb.AuthorizeRequest:
    """Return one payment."""
    call = types_pb2.ToolCall(
        name="pay", arguments_json=b'{"cents":%d,"to":"account-%d"}' % (cents, cents % 97)
    )
    return authorization_pb.AuthorizeRequest(grant=grant, tool=call)


async def begin(world: World) -> tabard.aio.Task:
    return await world.agent(WORKLOAD).start_task(
        world.issuer.access_token(PERSON), intent_token=world.intent("pay", "Pay the bills.")
    )


def branch(task: tabard.aio.Task, *, budgets: bool) -> str:
    """Return a grant with two branches, each with its own budgets."""
    limits = Limits(budgets={"cents": _PLENTY, "calls": _PLENTY}) if budgets else Limits(max_children=5000)
    return task.branch("a", limits).branch("b", limits).grant


def _stub(world: World) -> authorization_grpc.AuthorizationServiceStub:
    return authorization_grpc.AuthorizationServiceStub(
        grpc.insecure_channel(world.sidecars[WORKLOAD].address)
    )


def _caller(world: World, grant: str) -> Callable[[], object]:
    stub, number = _stub(world), 0

    def call() -> object:
        nonlocal number
        number += 1
        reply = stub.Authorize(authorize_request(grant, number))
        assert reply.decision.effect == types_pb2.EFFECT_ALLOW, reply
        return reply

    return call


def _against(
    plain: World,
    watched: World,
    loop: asyncio.AbstractEventLoop,
    *,
    blocks: int,
    calls: int,
) -> Compared:
    tasks = [loop.run_until_complete(begin(world)) for world in (watched, plain)]
    first = _caller(watched, branch(tasks[0], budgets=True))
    second = _caller(plain, branch(tasks[1], budgets=False))
    return compare(first, second, blocks=blocks, calls=calls)


async def _one_against_many(world: World, seconds: float) -> float:
    """Return the decisions per second of 32 callers of one task over those of 32 callers of 32 tasks."""
    tasks = [await begin(world) for _ in range(32)]
    grants = [branch(task, budgets=True) for task in tasks]
    async with grpc.aio.insecure_channel(world.sidecars[WORKLOAD].address) as channel:
        stub = authorization_grpc.AuthorizationServiceStub(channel)

        async def call(grant: str) -> None:
            reply = await stub.Authorize(authorize_request(grant))
            assert reply.decision.effect == types_pb2.EFFECT_ALLOW, reply

        def ask(held: Sequence[str]) -> Callable[[int], Awaitable[object]]:
            return lambda number: call(held[number % len(held)])

        many = await calls_per_second(ask(grants), 32, seconds)
        one = await calls_per_second(ask(grants[:1]), 32, seconds)
    return one / many


async def _large(world: World, holders: int, calls: int) -> tuple[str, str]:
    """Return grants of a task with so many holders and calls, and of a fresh one."""
    task = await begin(world)
    grants = [task.branch(f"helper-{number}").grant for number in range(holders)]
    async with grpc.aio.insecure_channel(world.sidecars[WORKLOAD].address) as channel:
        stub = authorization_grpc.AuthorizationServiceStub(channel)
        for start in range(0, calls, 50):
            items = [
                authorize_request(grants[number % holders]) for number in range(start, min(start + 50, calls))
            ]
            reply = await stub.BatchAuthorize(authorization_pb.BatchAuthorizeRequest(grant="", items=items))
            assert all(one.decision.effect == types_pb2.EFFECT_ALLOW for one in reply.results), reply
    fresh = await begin(world)
    return grants[0], fresh.branch("helper").grant


def _compare_grants(world: World, old: str, fresh: str, *, blocks: int, calls: int) -> Compared:
    # The input has as many past calls as that of the old task, so only older calls can make a difference.
    warm = _caller(world, fresh)
    for _ in range(60):
        warm()
    return compare(_caller(world, old), warm, blocks=blocks, calls=calls)


async def _propagation(url: str, times: int) -> list[Figure]:
    p50, p99 = await propagation(url, times=times)
    return [
        Figure("revocation on one sidecar until known on another, Redis, p50", p50, "ms"),
        Figure("revocation on one sidecar until known on another, Redis, p99", p99, "ms", "<= 50"),
    ]
