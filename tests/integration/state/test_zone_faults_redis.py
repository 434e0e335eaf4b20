"""Real sidecars and agents while their zone's Redis dies, comes back, or is replaced by an older copy."""

from __future__ import annotations

import asyncio
import time

import pytest
import tabard
from tabard_sidecar.errors import NoDecision

from tests.support.proxy import proxied
from tests.support.spending import POLICY, pay, refused, spent
from tests.support.waiting import eventually, next_second

CENTS = 1000  # of the zone's policy


async def told(attempt) -> str:
    """Return what an agent is told: "allowed", or the code of the error."""
    try:
        await attempt
    except tabard.TabardError as error:
        return error.code
    return "allowed"


async def answered(attempt) -> str:
    """Try until the sidecar can decide again; return what the agent is told then."""

    async def decided():
        answer = await told(attempt())
        return "" if answer == "state_unavailable" else answer

    return await eventually(decided)


async def test_a_server_that_is_killed_under_32_callers_costs_answers_and_no_money(start_server, start_zone):
    """Agents hear that no decision could be made; afterwards they go on, and never have more than the budget holds."""
    server = start_server()
    zone = await start_zone(policy=POLICY, overrides={"state.url": server.url})
    tasks = [await zone.start_task() for _ in range(8)]
    children = [await zone.hand_to(task, "triage") for task in tasks]
    heard: list[tuple[int, str]] = []

    async def caller(number: int) -> None:
        mine = (tasks, children)[number % 2][number // 4]
        while (answer := await told(pay(mine, 30))) != "budget_exhausted":
            heard.append((number // 4, answer))
            await asyncio.sleep(0.02 if answer == "state_unavailable" else 0)

    def count(answer: str) -> int:
        return sum(1 for _, one in heard if one == answer)

    callers = [asyncio.create_task(caller(number)) for number in range(32)]
    await eventually(lambda: count("allowed") >= 20)
    server.kill()
    await eventually(lambda: count("state_unavailable"))
    await asyncio.to_thread(server.start)
    await asyncio.wait_for(asyncio.gather(*callers), 60)
    assert count("allowed") + count("state_unavailable") == len(heard)
    for number, task in enumerate(tasks):
        shown = max((await spent(zone, task)).values())
        # What was charged when the server died may not have been acknowledged to any caller.
        assert 30 * heard.count((number, "allowed")) <= shown <= CENTS
        assert shown > CENTS - 30


async def test_a_paused_server_is_told_and_survived(start_server, start_zone):
    """No decision in the meantime, by a message that says what to look at, and within a bound."""
    server = start_server()
    zone = await start_zone(policy=POLICY, overrides={"state.url": server.url})
    task = await zone.start_task()
    await pay(task, 10)
    server.pause()
    began = time.monotonic()
    with pytest.raises(tabard.Unavailable) as caught:
        await pay(task, 10)
    assert time.monotonic() - began < 20
    assert caught.value.code == "state_unavailable"
    server.resume()
    assert await answered(lambda: pay(task, 10)) == "allowed"
    assert 20 <= max((await spent(zone, task)).values()) <= 40


async def test_failing_over_to_an_older_copy_denies_what_began_before(start_server, start_zone):
    """The budget that the copy shows isn't believed: tasks of the time before are refused everywhere, new ones aren't."""
    primary = start_server()
    with proxied(primary.port) as replication, proxied(primary.port) as clients:
        replica = start_server("--replicaof", "127.0.0.1", str(replication.port))
        zone = await start_zone(policy=POLICY, overrides={"state.url": f"redis://127.0.0.1:{clients.port}/0"})
        task = await zone.start_task()
        child = await zone.hand_to(task, "triage")
        await pay(task, 100)
        await eventually(lambda: primary.info("master_repl_offset") == replica.info("master_repl_offset"))
        replication.hold()
        for _ in range(3):
            await pay(task, 300)
        assert (await refused(pay(task, 1))).code == "budget_exhausted"
        primary.kill()
        replica.cli("replicaof", "no", "one")
        clients.target = replica.port

        assert await answered(lambda: pay(task, 300)) == "state_rolled_back"
        assert (await refused(pay(child, 1))).code == "state_rolled_back"
        await next_second()
        anew = await zone.start_task()
        await pay(anew, 300)


async def test_a_zone_whose_clock_is_wrong_decides_nothing(start_server, start_zone):
    """A sidecar five minutes ahead of the server says so instead of forgetting what others must not repeat."""
    server = start_server()
    zone = await start_zone(policy=POLICY, overrides={"state.url": server.url})
    with pytest.raises(NoDecision, match="apart; set both clocks"):
        await zone.store.consume("n", limit=1, now=time.time() + 300, expires_at=time.time() + 600)
