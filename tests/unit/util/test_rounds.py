"""Works in rounds: each goes to its next pause, then the next one does, within one task."""

from __future__ import annotations

import asyncio
import contextvars
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.util.rounds import in_rounds, pause


@given(pauses=st.lists(st.integers(0, 5), max_size=8), waits=st.sets(st.integers(0, 40)))
async def test_each_step_is_made_by_all_before_the_next(pauses, waits):
    """In order, whichever of them wait for something else meanwhile; the results stand in the order of the works."""
    steps = []

    async def work(number, count):
        for step in range(count + 1):
            steps.append((step, number))
            if number * 6 + step in waits:
                await asyncio.sleep(0)
            if step < count:
                await pause()
        return number

    assert await in_rounds([work(*one) for one in enumerate(pauses)]) == list(range(len(pauses)))
    assert steps == sorted(steps)


async def test_others_have_their_turn_once_a_millisecond():
    """A long list of works doesn't hold the loop."""
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def hold():
        time.sleep(0.0005)

    async def work():
        hold()
        await pause()
        hold()

    beside = asyncio.create_task(others())
    await in_rounds([work() for _ in range(30)])
    beside.cancel()
    assert turns >= 15


async def test_each_work_has_a_context_of_its_own():
    """What one sets, the others don't see, nor does who runs them."""
    variable = contextvars.ContextVar("variable", default="outer")

    async def work(name):
        before = variable.get()
        variable.set(name)
        await pause()
        return before, variable.get()

    assert await in_rounds([work("a"), work("b")]) == [("outer", "a"), ("outer", "b")]
    assert variable.get() == "outer"


async def test_an_error_ends_the_others_before_it_is_raised():
    """Those that wait for their turn are cancelled where they are, one that hasn't begun never begins."""
    ended = []

    async def waits(number):
        try:
            await pause()
            await pause()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            await pause()
            ended.append(number)
            raise

    async def fails():
        await pause()
        raise LookupError("no")

    async def swallows():
        try:
            await pause()
        except asyncio.CancelledError:
            return

    with pytest.raises(LookupError):
        await in_rounds([waits(1), fails(), waits(2), swallows()])
    assert ended == [1, 2]
    begun = []

    async def begins():
        begun.append(1)

    async def fails_at_once():
        raise LookupError("no")

    with pytest.raises(LookupError):
        await in_rounds([fails_at_once(), begins()])
    assert not begun


async def test_a_cancellation_reaches_all_of_them():
    """First the one that waits; a second cancellation ends the waiting of what it does then, and no more."""
    ended, going = [], asyncio.Event()

    async def work(number):
        await pause()
        try:
            going.set()
            await asyncio.sleep(60 if number == 1 else 0)
            await pause()
        except asyncio.CancelledError:
            try:
                await asyncio.sleep(60 if number == 1 else 0)
            finally:
                ended.append(number)
            raise

    task = asyncio.create_task(in_rounds_of([work(0), work(1)]))
    await going.wait()
    for _ in range(2):
        await asyncio.sleep(0.01)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [1, 0]


async def in_rounds_of(works):
    """Run works in rounds, in a coroutine of which a task can be made."""
    return await in_rounds(works)


async def test_a_cancelled_future_is_raised_where_it_is_awaited():
    """A work may handle what it waits for; the others don't notice."""
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.01, future.cancel)

    async def work():
        try:
            await future
        except asyncio.CancelledError:
            await pause()
            return "handled"

    async def other():
        await pause()
        return "other"

    assert await in_rounds([other(), work(), other()]) == ["other", "handled", "other"]


async def test_a_work_that_is_thrown_away_is_closed():
    """A loop that ends closes its coroutines, which can't wait for anything then."""
    ended = []

    async def work():
        try:
            await pause()
            await asyncio.sleep(60)
        finally:
            ended.append(1)

    running = in_rounds_of([work(), work()])
    assert running.send(None) is not None
    running.close()
    assert ended == [1, 1]
