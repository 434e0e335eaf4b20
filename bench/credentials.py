"""Measures credentials of a real Vault and PostgreSQL: their price beside others, and how fast the kill switch works."""

from __future__ import annotations

import asyncio
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import hvac
import tabard
from tabard import handles

from bench.harness import Compared, Figure, compare, kept_bytecode, percentile, publish, timed
from bench.vault_place import AGENT, MAX_CONNECTIONS, Place, connections_of, existing_logins, vault_place
from testbed.world import ISSUER, PERSON, spiffe_id

SUB_AGENTS = 200
LEASES = 500
PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    blocks: int
    held_calls: int
    first_calls: int
    rounds: int
    commands: int
    leases: int
    sub_agents: int


FULL = Size(
    blocks=20,
    held_calls=100,
    first_calls=10,
    rounds=100,
    commands=10,
    leases=LEASES,
    sub_agents=SUB_AGENTS,
)
QUICK = Size(blocks=2, held_calls=5, first_calls=3, rounds=3, commands=1, leases=20, sub_agents=20)


def run(*, quick: bool) -> bool:
    """Run every measurement and tell whether every goal is met."""
    size = QUICK if quick else FULL
    with kept_bytecode(), vault_place() as place, tabard.connect(place.address) as client:
        figures = [
            *_held(place, client, size),
            *_first(place, client, size),
            *_one_killed(place, client, size),
            *_many_killed(place, client, size),
            *_sub_agents(place, size),
        ]
    return True if quick else publish("credentials", figures)


def _caller(task: tabard.Task, tool: str) -> Callable[[], tabard.Decision]:
    number = 0

    def call() -> tabard.Decision:
        nonlocal number
        number += 1
        return task.authorize(tool, {"n": number})

    return call


def _held(place: Place, client: tabard.Client, size: Size) -> Iterator[Figure]:
    """Compare a credential that is held with a signed one."""
    task = place.task(client)
    held, signed = _caller(task, "orders.held"), _caller(task, "orders.signed")
    first = held().credential
    while held().credential.credential_id != first.credential_id:
        first = held().credential
    found = compare(held, signed, blocks=size.blocks, calls=size.held_calls)
    yield Figure("held vault credential over jwt", found.ratio, "x", "<= 1.2", found.spread)
    yield Figure("p50 of a held vault credential", percentile(found.first, 0.5) * 1e3, "ms")
    yield Figure("p99 of a held vault credential", percentile(found.first, 0.99) * 1e3, "ms")
    yield Figure("p50 of a jwt", percentile(found.second, 0.5) * 1e3, "ms")
    task.end()


def _first(place: Place, client: tabard.Client, size: Size) -> Iterator[Figure]:
    """Compare a new login of the database with the same three requests to Vault, made by hvac alone.

    The sidecar makes the third, which extends the token, when its answer has left. A pause before each call lets it end; it
    is short, since in some virtual machines memory that wasn't touched for 50 ms takes many times as long to touch, and that
    would be measured.
    """
    task = place.task(client)
    own = place.vault.login(place.tokens.token("tabard-vault", seconds=7200))
    name = handles.login_handle(issuer=ISSUER, subject=PERSON, task_id="bench", agent_id=spiffe_id(AGENT))
    body = {"ttl": "30s", "renewable": True, "display_name": name, "meta": {"tabard_task": "bench"}}
    child = hvac.Client(url=place.vault.address, session=own.session)
    inside: list[float] = []
    fresh, names = _caller(task, "orders.fresh"), []

    def brokered() -> None:
        names.append(fresh().credential.fields["username"])

    def alone() -> None:
        answer = own.adapter.post("/v1/auth/token/create/tabard", json=body)
        child.token = answer["auth"]["client_token"]
        began = time.perf_counter()
        child.read("database/creds/orders-read")
        inside.append(time.perf_counter() - began)
        child.auth.token.renew_self(increment="300s")

    found = _apart(brokered, alone, size)
    yield Figure("new database login over hvac alone", found.ratio, "x", "<= 1.3", found.spread)
    for of, taken in (
        ("of a new database login", found.first),
        ("of the three requests by hvac alone", found.second),
        ("of Vault's database engine alone", inside),
    ):
        yield Figure(f"p50 {of}", percentile(taken, 0.5) * 1e3, "ms")
        yield Figure(f"p99 {of}", percentile(taken, 0.99) * 1e3, "ms")
    task.end()
    with place.postgres.admin() as admin:
        while existing_logins(admin, names):
            time.sleep(PAUSE_SECONDS)


def _apart(first: Callable[[], object], second: Callable[[], object], size: Size) -> Compared:
    """Measure two calls in turns, each after a pause, so that what one leaves to do isn't part of another."""
    timed(first, 3)
    timed(second, 3)
    every: tuple[list[float], list[float]] = ([], [])
    ratios = []
    for _ in range(size.blocks):
        block: tuple[list[float], list[float]] = ([], [])
        for _ in range(size.first_calls):
            for call, taken in zip((first, second), block, strict=True):
                time.sleep(PAUSE_SECONDS)
                taken.extend(timed(call, 1))
        every[0].extend(block[0])
        every[1].extend(block[1])
        ratios.append(statistics.median(block[0]) / statistics.median(block[1]))
    return Compared(*every, ratios)


def _refused_after(place: Place, login: Mapping[str, str], revoke: Callable[[], None]) -> float:
    """Return how long after ``revoke`` was called the database refuses a login, in seconds."""
    place.postgres.connect(login).close()
    command = threading.Thread(target=revoke)
    began = time.perf_counter()
    command.start()
    while not place.postgres.refuses(login):
        pass
    taken = time.perf_counter() - began
    command.join()
    return taken


def _one_killed(place: Place, client: tabard.Client, size: Size) -> Iterator[Figure]:
    """Measure how long one login works after its task was ended or revoked."""
    ended, revoked = [], []
    for number in range(size.rounds + size.commands):
        task = place.task(client)
        login = task.authorize("orders.fresh", {}).credential.fields
        if number < size.rounds:
            ended.append(_refused_after(place, login, task.end))
        else:
            task_id = task.get().task_id
            revoked.append(_refused_after(place, login, lambda task_id=task_id: place.revoke(task_id)))
    yield Figure("p50 from EndTask to a refused login", percentile(ended, 0.5) * 1e3, "ms")
    yield Figure("p99 from EndTask to a refused login", percentile(ended, 0.99) * 1e3, "ms", "<= 1000")
    yield Figure("p50 from `tabard revoke` to a refused login", percentile(revoked, 0.5) * 1e3, "ms")
    yield Figure(
        "p99 from `tabard revoke` to a refused login", percentile(revoked, 0.99) * 1e3, "ms", "<= 1000"
    )


def _many_killed(place: Place, client: tabard.Client, size: Size) -> Iterator[Figure]:
    """Measure how long each of many logins of one task exists after `tabard revoke task`.

    Another task ends in the middle. Vault ends its login behind those that it was asked to end before.
    """
    task_id, names = asyncio.run(_obtain(place, size.leases))
    other = place.task(client)
    login = other.authorize("orders.fresh", {}).credential.fields
    behind: list[float] = []
    another = threading.Thread(target=lambda: behind.append(_refused_after(place, login, other.end)))
    command = threading.Thread(target=place.revoke, args=(task_id,))
    began = time.perf_counter()
    command.start()
    taken: list[float] = []
    with place.postgres.admin() as admin:
        while len(taken) < size.leases:
            gone = size.leases - existing_logins(admin, names)
            if gone and another.ident is None:
                another.start()
            taken += [time.perf_counter() - began] * (gone - len(taken))
            time.sleep(0.005)
    command.join()
    another.join()
    yield Figure(f"p50 of {size.leases} logins revoked at once", percentile(taken, 0.5) * 1e3, "ms")
    yield Figure(f"p99 of {size.leases} logins revoked at once", percentile(taken, 0.99) * 1e3, "ms")
    yield Figure("one login of another task, ended meanwhile", behind[0] * 1e3, "ms")


async def _obtain(place: Place, number: int) -> tuple[str, list[str]]:
    """Start a task and obtain logins for it; return its id and their names."""
    async with tabard.aio.connect(place.address, timeout_seconds=60) as client:
        task = await client.start_task(
            place.world.issuer.access_token(PERSON),
            intent_token=place.world.intent("refunds", "Read the orders."),
        )
        names: list[str] = []
        while len(names) < number:
            part = range(min(50, number - len(names)))
            found = await asyncio.gather(*(task.authorize("orders.fresh", {"n": n}) for n in part))
            names += [one.credential.fields["username"] for one in found]
        await asyncio.sleep(2)
        return (await task.get()).task_id, names


def _sub_agents(place: Place, size: Size) -> Iterator[Figure]:
    """Let many sub-agents of one task ask for a login at once."""
    most, over = 0, threading.Event()

    def count() -> None:
        nonlocal most
        while not over.wait(0.002):
            most = max(most, connections_of(place))

    counting = threading.Thread(target=count)
    counting.start()
    taken = asyncio.run(_ask_at_once(place, size.sub_agents))
    over.set()
    counting.join()
    failed = size.sub_agents - len(taken)
    yield Figure(f"failed of {size.sub_agents} sub-agents at once", failed, "calls", "<= 0")
    if taken:
        yield Figure(f"p50 of {size.sub_agents} sub-agents at once", percentile(taken, 0.5), "s")
        yield Figure(f"p99 of {size.sub_agents} sub-agents at once", percentile(taken, 0.99), "s")
    yield Figure(
        "most connections of the sidecar at Vault meanwhile", most, "connections", f"<= {MAX_CONNECTIONS}"
    )


async def _ask_at_once(place: Place, number: int) -> list[float]:
    """Return how long each call took that got a login."""
    taken: list[float] = []

    async def ask(agent: tabard.aio.Task) -> None:
        began = time.perf_counter()
        decision = await agent.authorize("orders.fresh", {})
        if decision.credential.fields["username"]:
            taken.append(time.perf_counter() - began)

    async with tabard.aio.connect(place.address, timeout_seconds=60) as client:
        task = await client.start_task(
            place.world.issuer.access_token(PERSON),
            intent_token=place.world.intent("refunds", "Read the orders."),
        )
        agents = [task.branch(f"reader-{n}") for n in range(number)]
        failed = [
            error
            for error in await asyncio.gather(*map(ask, agents), return_exceptions=True)
            if error is not None
        ]
        await task.end()
    for error in failed[:1]:
        print(f"of {len(failed)} errors the first: {error!r}", file=sys.stderr)
    return taken
