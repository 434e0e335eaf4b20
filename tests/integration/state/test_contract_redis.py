"""The contract of state stores on a real Redis server."""

import itertools

import pytest
from tabard_sidecar.state.redis import RedisOptions, RedisStateStore

from tests.contracts.state import StateContract

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


class TestRedis(StateContract):
    """Everything that a store has to do, on a server that several instances share."""
