"""Deadlines of requests: one timer ends each that takes too long, and cancels no other."""

from __future__ import annotations

import asyncio

import pytest
from tabard_sidecar.util.deadlines import Deadlines


async def work(deadlines, seconds):
    """Return after so many seconds, within the deadline."""
    with deadlines.deadline():
        await asyncio.sleep(seconds)
        return "done"


async def test_only_what_takes_too_long_is_ended():
    """Many at once, begun one after the other: each has its own time."""
    deadlines = Deadlines(0.2)
    tasks = []
    for number in range(20):
        tasks.append(asyncio.create_task(work(deadlines, 60 if number % 2 else 0.05)))
        await asyncio.sleep(0.005)
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert found[::2] == ["done"] * 10
    assert all(isinstance(one, TimeoutError) for one in found[1::2])
    assert not any(task.cancelling() for task in tasks)


async def test_one_timer_serves_all(monkeypatch):
    """A thousand requests that end in time make one timer."""
    loop, made = asyncio.get_running_loop(), []
    call_at = loop.call_at
    monkeypatch.setattr(loop, "call_at", lambda *args: made.append(args) or call_at(*args))
    deadlines = Deadlines(5)
    for _ in range(1000):
        with deadlines.deadline():
            pass
    assert len(made) == 1


async def test_a_caller_that_goes_away_is_no_time_out():
    """A cancellation from elsewhere stays one."""
    task = asyncio.create_task(work(Deadlines(5), 60))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_at_the_same_moment_is_not_lost():
    """Time over and caller gone: the task is cancelled."""
    deadlines = Deadlines(0.05)

    async def both():
        with deadlines.deadline():
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                asyncio.current_task().cancel()
                raise

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(both())


async def test_an_error_stays_what_it_is():
    """Also if it comes after the time was over."""

    async def fails():
        with Deadlines(0.05).deadline():
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise ValueError("x") from None

    with pytest.raises(ValueError, match="x"):
        await asyncio.create_task(fails())


async def test_a_new_request_has_its_time_after_an_earlier_timer():
    """The timer of a request that ended long ago ends no later one."""
    deadlines = Deadlines(0.15)
    assert await work(deadlines, 0) == "done"
    await asyncio.sleep(0.1)
    assert await work(deadlines, 0.1) == "done"
    with pytest.raises(TimeoutError):
        await work(deadlines, 60)
