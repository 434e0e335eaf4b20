"""Rounds of a process that meet."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.util.ticks import next_tick, tick, ticks_until

TIMES = st.floats(0, 10**8)
PERIODS = st.sampled_from([0.1, 0.25, 0.5, 1.0, 5.0])


@given(now=TIMES, seconds=PERIODS)
def test_a_round_is_neither_at_once_nor_late(now: float, seconds: float):
    """A loop that wakes early, or takes long, neither goes round twice nor leaves two out."""
    assert 0.49 * seconds <= next_tick(now, seconds) - now <= 1.51 * seconds


@given(now=TIMES, seconds=PERIODS)
def test_rounds_meet_wherever_they_began(now: float, seconds: float):
    """Within the time in which one wake of an event loop serves both."""
    whole = next_tick(now, 5.0)
    met = whole - 0.9 * seconds
    for _ in range(3):
        met = next_tick(met, seconds)
        if abs(met - whole) < 1e-6:
            return
    pytest.fail(f"{met} isn't {whole}")


async def test_waiting():
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(5):
        await tick(0.02)
    assert 0.08 <= loop.time() - began < 5


async def test_waiting_until_something_is_seen():
    """Each round looks once; what comes first, the sight or the time, ends the wait."""
    loop, looks = asyncio.get_running_loop(), []

    def third() -> bool:
        looks.append(loop.time())
        return len(looks) == 3

    assert await ticks_until(third, 0.02, loop.time() + 60)
    assert len(looks) == 3
    began = loop.time()
    assert not await ticks_until(lambda: False, 0.02, began + 0.1)
    assert 0.1 <= loop.time() - began < 5


async def test_a_look_that_fails_ends_the_wait():
    with pytest.raises(ZeroDivisionError):
        await ticks_until(lambda: bool(1 // 0), 0.02, asyncio.get_running_loop().time() + 60)


async def test_a_wait_that_is_given_up_looks_no_more():
    looks: list[int] = []
    looked = asyncio.Event()

    def look() -> bool:
        looks.append(1)
        looked.set()
        return False

    waiting = asyncio.create_task(ticks_until(look, 0.01, 1e12))
    await looked.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    seen = len(looks)
    await asyncio.sleep(0.05)
    assert len(looks) == seen


async def test_what_happens_sooner_ends_the_wait():
    loop = asyncio.get_running_loop()
    sooner: asyncio.Future[None] = loop.create_future()
    looks: list[int] = []
    waiting = asyncio.create_task(ticks_until(lambda: bool(looks.append(1)), 60, 1e12, sooner))
    given_up = asyncio.create_task(ticks_until(lambda: False, 60, 1e12, sooner))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert not sooner.done()
    sooner.set_result(None)
    assert await asyncio.wait_for(waiting, 60)
    assert not looks
    assert await asyncio.wait_for(ticks_until(lambda: False, 60, 1e12, sooner), 60)
