"""A lane never works at more than its places, and work that finds none waits for its turn."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from tabard_sidecar.credentials.vault import faults
from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.util.lanes import Lane
from tabard_sidecar.util.wanted import GivenUpError


class Work:
    """Work that counts how much of it runs at once."""

    def __init__(self, seconds):
        self.now, self.most, self.lock, self.seconds = 0, 0, threading.Lock(), seconds

    def __call__(self):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self.lock:
            self.now -= 1
        return True


def _in(seconds):
    return asyncio.get_running_loop().time() + seconds


async def test_work_that_was_given_up_keeps_its_place_and_others_wait_for_it():
    lane, slow, quick = Lane("t", 3, faults), Work(1.0), Work(0.01)
    stuck = [lane.run(slow, _in(0.01)) for _ in range(3)]
    given_up = await asyncio.gather(*stuck, return_exceptions=True)
    assert {str(error) for error in given_up} == {"it didn't answer in time"}
    began = time.monotonic()
    assert all(await asyncio.gather(*(lane.run(quick, _in(10)) for _ in range(60))))
    assert time.monotonic() - began > 0.4
    assert (slow.most, quick.most, slow.now) == (3, 3, 0)


async def test_a_turn_holds_for_several_requests_and_until_its_thread_ends():
    lane, slow = Lane("t", 1, faults), Work(0.6)

    async def two():
        async with lane.turn("first") as turn:
            await lane.run(lambda: order.append("a1"), _in(5), turn=turn)
            await asyncio.sleep(0.05)
            await lane.run(lambda: order.append("a2"), _in(5), turn=turn)
            with pytest.raises(VaultFault, match="in time"):
                await lane.run(slow, _in(0.01), turn=turn)

    order = []
    await asyncio.gather(two(), lane.run(lambda: order.append(f"b{slow.now}"), _in(5)))
    assert order == ["a1", "a2", "b0"]


async def test_a_wait_that_is_given_up_ends_at_once():
    lane, slow = Lane("t", 1, faults), Work(0.5)

    async def waits():
        async with lane.turn("mine"):
            raise AssertionError("it had no turn")

    busy = asyncio.create_task(lane.run(slow, _in(5)))
    await asyncio.sleep(0.05)
    waiting = asyncio.create_task(waits())
    await asyncio.sleep(0.05)
    lane.give_up("mine")
    lane.give_up("mine")
    lane.give_up("another")
    with pytest.raises(GivenUpError):
        await waiting
    assert not busy.done()
    await busy
