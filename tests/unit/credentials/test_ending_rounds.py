"""A server that hangs keeps no other one's credentials from their end, and no round longer than one of them may take."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest
from tabard_sidecar.credentials import ending_rounds
from tabard_sidecar.credentials.ending_rounds import Round, Rounds
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.util.fifo import FifoDict

SLOW, PATIENCE = 0.2, 0.25
LONG = 5.0
"""Seconds: a busy machine takes less, and waiting for one after the other more."""


def server(places: int = 4):
    """What a round needs of a server."""
    return SimpleNamespace(ending_places=places, timeout_seconds=PATIENCE)


def round_of(places: int = 4) -> Round:
    """A round in which nothing failed before."""
    return Round(server(places), FifoDict(100))


def named(numbers) -> dict[str, int]:
    """What is to be ended, by its id."""
    return {str(number): number for number in numbers}


async def hang(_number) -> str:
    """Stand for a server that doesn't answer in time."""
    await asyncio.sleep(PATIENCE + 0.05)
    return "it didn't answer in time"


async def test_servers_do_not_wait_for_one_another():
    began, done = time.monotonic(), {}

    async def work(name, now):
        await now.each(hang if name == "hangs" else ended, named(range(300)))
        done[name] = time.monotonic() - began

    async def ended(_number):
        await asyncio.sleep(0)
        return ""

    problem = await Rounds({"hangs": server(), "well": server()}).run(work)
    assert done["well"] < done["hangs"] < LONG
    assert problem == "300 credential(s) not ended: it didn't answer in time"


async def test_a_server_that_hangs_is_given_up_over_all_pages():
    now, began = round_of(), time.monotonic()
    for page in range(20):
        await now.each(hang, named(range(page * 100, page * 100 + 100)))
    assert time.monotonic() - began < LONG
    assert (now.over, now.failed) == (True, 2000)


async def test_what_cannot_be_ended_keeps_nothing_else_from_its_end():
    """However much of it there is, and wherever in the journal: it comes last in the next rounds."""
    left, rounds = set(range(400)), Rounds({"a": server()})

    async def end(number):
        if number < 40:
            return await hang(number)
        left.discard(number)
        return ""

    async def work(_name, now):
        for page in range(0, 400, 100):
            await now.each(end, named(number for number in left if page <= number < page + 100))
            if now.over:
                return

    for _ in range(11):
        assert "it didn't answer in time" in await rounds.run(work)
    assert left == set(range(40))


async def test_a_slow_server_has_its_time_and_a_round_ends(monkeypatch):
    now, ended = round_of(), []

    async def end(number):
        await asyncio.sleep(SLOW)
        ended.append(number)
        return ""

    await now.each(end, named(range(20)))
    assert (len(ended), now.failed, now.over) == (20, 0, False)
    monkeypatch.setattr(ending_rounds, "_MOST_SECONDS", 0.3)

    async def work(_name, now):
        await now.each(end, named(range(100)))
        assert now.over
        assert 80 < now.failed < 100

    assert "tried next" in await Rounds({"a": server()}).run(work)


async def test_time_between_the_pages_is_not_the_servers():
    now = round_of()

    async def end(_number):
        return "refused"

    await now.each(end, named(range(3)))
    await asyncio.sleep(PATIENCE * 2)
    assert not now.over
    await now.each(end, named(range(3, 6)))
    assert now.failed == 6


async def test_never_more_at_once_than_there_are_places():
    running = most = 0

    async def end(_number):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return ""

    await round_of(3).each(end, named(range(100)))
    assert most == 3


async def test_without_the_store_everything_is_ended_all_the_same():
    """What this process has in memory, it can end without the store."""
    asked = []

    async def work(_name, now):
        await now.each(end, named(range(50)))

    async def end(number):
        asked.append(number)
        raise NoDecision("UNAVAILABLE", "state_unavailable", "x")

    with pytest.raises(NoDecision):
        await Rounds({"a": server(), "b": server()}).run(work)
    assert len(asked) == 100
