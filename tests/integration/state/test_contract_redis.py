"""The contract of state stores on a real Redis server."""

import itertools

import pytest
from tabard_sidecar.state.model import ReserveState
from tabard_sidecar.state.redis import RedisOptions, RedisStateStore

from tests.contracts.state import StateContract
from tests.support.state import chain, new_task, noted, wanted

_zones = itertools.count(1)


@pytest.fixture
def new_store(server):
    """Makes stores of one zone, not yet open. The contract sets clocks as it likes, so they may be far apart."""
    options = RedisOptions(server.url, max_clock_skew_seconds=1e9, timeout_seconds=10)
    zone = f"contract{next(_zones)}"
    return lambda: RedisStateStore(options, zone=zone)


@pytest.fixture
async def store(new_store):
    """An open store."""
    opened = new_store()
    await opened.open()
    yield opened
    await opened.close()


async def test_calls_that_note_the_same_keep_it_once(store, server):
    """However long it is: an agent that repeats a call fills no server that the whole zone shares."""
    of = chain((await new_task(store)).root_id)
    notes = noted({"ids": [f"{number:03}".ljust(480, "x") for number in range(60)]}, backend={"made": "task"})

    async def repeat(times: int) -> int:
        for _ in range(times):
            version = (await store.look_up(of)).label_version
            assert (await store.reserve(wanted(of, notes=notes, version=version))).state is ReserveState.DONE
        return server.info("used_memory")

    before = await repeat(20)
    assert await repeat(200) - before < 400_000


class TestRedis(StateContract):
    """Everything that a store has to do, on a server that several instances share."""
