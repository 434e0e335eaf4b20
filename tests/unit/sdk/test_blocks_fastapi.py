"""Tasks in dependencies that yield and in streamed answers, served for two people by one process."""

import pytest
import tabard
from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse

from tests.support.backends import request, serve_asgi


@pytest.fixture
def app(tabard_fake):
    tabard_fake.allow("read")
    client = tabard.connect()
    tasks = {name: client.start_task(name) for name in ("alice", "bob")}
    names = {task.grant: name for name, task in tasks.items()}

    @tabard.guard("read")
    def read() -> str:
        return f"{names[tabard_fake.calls[-1].grant]} "

    async def entered(person: str):
        with tasks[person]:
            yield

    def entered_in_a_thread(person: str):
        with tasks[person]:
            yield

    async def read_later():
        return read()

    def step(person):
        with tasks[person]:
            return read()

    async def stream(person: str):
        return StreamingResponse(step(person) for _ in range(3))

    app = FastAPI()
    app.add_api_route("/coroutine", read_later, dependencies=[Depends(entered)])
    app.add_api_route("/function", lambda: read(), dependencies=[Depends(entered)])  # noqa: PLW0108  # no arguments
    app.add_api_route("/thread", lambda: read(), dependencies=[Depends(entered_in_a_thread)])  # noqa: PLW0108
    app.add_api_route("/stream", stream)
    yield app
    client.close()


@pytest.mark.parametrize(("path", "calls"), [("coroutine", 1), ("function", 1), ("stream", 3), ("thread", 0)])
def test_each_request_runs_with_its_own_task(app, tabard_fake, path, calls):
    """A synchronous dependency runs in threads of its own, so its task is current nowhere: that is an error."""
    with serve_asgi(app) as port:
        for person in ("alice", "bob", "alice"):
            before = len(tabard_fake.calls)
            status, _, body = request(port, "GET", f"/{path}?person={person}")
            assert len(tabard_fake.calls) - before == calls
            if calls:
                assert (status, body.decode().strip('"')) == (200, f"{person} " * calls)
            else:
                assert status == 500
