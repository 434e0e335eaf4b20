"""Real Redis servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.redis_server import RedisServer, redis_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server that tests share and leave alone, each in a zone of its own."""
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def start_server(tmp_path, request: pytest.FixtureRequest) -> Callable[..., RedisServer]:
    """Starts servers that end with the test, whatever became of them."""
    count = iter(range(100))

    def start(*arguments: str) -> RedisServer:
        made = RedisServer(tmp_path / f"redis{next(count)}", *arguments)
        request.addfinalizer(made.stop)
        made.start()
        return made

    return start
