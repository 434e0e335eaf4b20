"""The connections on which every decision waits: one request at a time, bounded, replaced when they broke."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import RedisError, ResponseError
from tabard_sidecar.state.redis.connections import Connections
from tabard_sidecar.state.redis.options import RedisOptions, create_pool

from tests.support.waiting import eventually

_BLOCKING = ("BLPOP", "nothing", 0)


@pytest.fixture
async def connect(server):
    """Makes connections to the shared server."""
    made = []

    def start(*, most: int = 64) -> Connections:
        made.append(Connections(create_pool(RedisOptions(server.url)), most=most))
        return made[-1]

    yield start
    for connections in made:
        await connections.close()


async def client_id(connections: Connections) -> int:
    """Return which connection answers."""
    (number,) = await connections.ask(("CLIENT", "ID"))
    return int(number)


async def blocked(server, count: int) -> None:
    """Wait until so many connections wait for an element of a list."""
    await eventually(lambda: server.info("blocked_clients") == count)


async def test_every_request_gets_its_own_answer(connect):
    """Many at once, and several on one connection in order."""
    connections = connect()
    texts = [b"%d" % number * (number + 1) for number in range(100)]
    answers = await asyncio.gather(
        *(connections.ask(("ECHO", text), ("ECHO", b"x" + text)) for text in texts)
    )
    assert answers == [[text, b"x" + text] for text in texts]


async def test_a_connection_is_used_again(connect):
    """Also after an error that the server answered with; what was sent beside it is answered, too."""
    connections = connect()
    first = await client_id(connections)
    error, echo = await connections.ask(("HGET", "one"), ("ECHO", b"after"))
    assert isinstance(error, ResponseError)
    assert echo == b"after"
    assert await client_id(connections) == first


async def test_an_answer_whose_caller_gave_up_goes_to_no_other_caller(connect, server):
    """A request that was given up closes its connection."""
    connections = connect()
    first = await client_id(connections)
    given_up = asyncio.create_task(connections.ask(_BLOCKING))
    await blocked(server, 1)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    server.cli("lpush", "nothing", "late")
    assert await connections.ask(("ECHO", b"mine")) == [b"mine"]
    assert await client_id(connections) != first
    server.cli("del", "nothing")


async def test_there_are_never_more_than_so_many(connect, server):
    """A caller that comes when all are in use waits for one, and gives it back whatever happened."""
    connections = connect(most=3)
    before = server.cli("client", "list").count("\n")
    waiting = [asyncio.create_task(connections.ask(_BLOCKING)) for _ in range(3)]
    await blocked(server, 3)
    asking = [asyncio.create_task(connections.ask(("PING",))) for _ in range(20)]
    # By the time that others were answered as often, these would have been, too.
    others = connect()
    await asyncio.gather(*(others.ask(("PING",)) for _ in range(20)))
    await others.close()
    assert not any(task.done() for task in asking)
    await eventually(lambda: server.cli("client", "list").count("\n") - before == 3)
    for task in waiting:
        task.cancel()
    assert await asyncio.gather(*asking) == [[b"PONG"]] * 20
    assert server.cli("client", "list").count("\n") - before <= 3


async def test_what_the_server_closed_is_replaced_unnoticed(connect, server):
    """An idle connection that ended fails no request."""
    connections = connect()
    first = await client_id(connections)
    server.cli("client", "kill", "id", str(first))
    await eventually(lambda: f"id={first} " not in server.cli("client", "list"))
    # The end of the connection is read in the loop's next turn, and the turn after that is ours.
    for _ in range(2):
        await asyncio.sleep(0)
    assert await client_id(connections) != first


async def test_a_server_that_is_gone_leaves_nothing_in_use(start_server):
    """Each request fails for itself; when the server is back, all connections are there again."""
    server = start_server()
    connections = Connections(create_pool(RedisOptions(server.url)), most=2)
    await connections.ask(("PING",))
    server.kill()
    for _ in range(5):
        with pytest.raises((RedisError, OSError)):
            await connections.ask(("PING",))
    server.start()
    assert await asyncio.gather(*(connections.ask(("PING",)) for _ in range(4))) == [[b"PONG"]] * 4
    await connections.close()


async def test_dropping_leaves_alone_what_is_in_use(connect, server):
    """Idle ones go; an answer that is waited for still comes."""
    connections = connect()
    waiting = asyncio.create_task(connections.ask(_BLOCKING))
    await blocked(server, 1)
    idle = await client_id(connections)
    await connections.drop()
    server.cli("lpush", "nothing", "here")
    assert await waiting == [[b"nothing", b"here"]]
    assert await client_id(connections) != idle


async def test_closing_ends_what_is_in_use_as_soon_as_it_is_done(connect, server):
    connections = connect()
    waiting = asyncio.create_task(connections.ask(("CLIENT", "ID"), _BLOCKING))
    await blocked(server, 1)
    await connections.close()
    server.cli("lpush", "nothing", "here")
    number, popped = await waiting
    assert popped == [b"nothing", b"here"]
    await eventually(lambda: f"id={number} " not in server.cli("client", "list"))


async def test_something_is_done_while_the_server_answers(connect):
    """Once, after the request was sent; the answer is that of the request all the same."""
    connections = connect()
    done: list[str] = []
    assert await connections.ask(("ECHO", b"answer"), concurrent_work=lambda: done.append("meanwhile")) == [
        b"answer"
    ]
    assert done == ["meanwhile"]
