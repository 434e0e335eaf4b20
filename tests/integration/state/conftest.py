"""Real Redis servers, and stores on them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from tabard_sidecar.state.redis import RedisOptions, RedisStateStore

from tests.support.redis_server import RedisServer, redis_server

ANY_SKEW = 1e9


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server that tests share and leave alone, each in a zone of its own."""
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def start_server(tmp_path, request: pytest.FixtureRequest) -> Callable[..., RedisServer]:
    """Starts servers that end with the test, whatever became of them."""
    count = itertools.count()

    def start(*arguments: str) -> RedisServer:
        made = RedisServer(tmp_path / f"redis{next(count)}", *arguments)
        request.addfinalizer(made.stop)
        made.start()
        return made

    return start


@pytest.fixture
async def open_store():
    """Opens stores of zone z at a port of loopback; they are closed with the test."""
    stores = []

    async def open_one(
        port: int, *, zone: str = "z", timeout_seconds: float = 10.0, **options: object
    ) -> RedisStateStore:
        # The tests' times are those of when they were loaded, which may be long ago.
        options.setdefault("max_clock_skew_seconds", ANY_SKEW)
        store = RedisStateStore(
            RedisOptions(f"redis://127.0.0.1:{port}/0", timeout_seconds=timeout_seconds, **options), zone=zone
        )
        await store.open()
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        await store.close()
