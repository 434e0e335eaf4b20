"""The client of OPA servers: whatever pieces an answer comes in, it is read whole or refused, and no connection is mixed up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.policy.engines.http_pool import (
    MAX_HEAD_BYTES,
    HttpPool,
    NoPlaceError,
    UnusableAnswerError,
    _Asked,
    _Connection,
)

from tests.support.waiting import eventually

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
MOST = 1000

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def pool_of(serve: Serve, most: int = 2):
    """Give a pool whose server does what it is told with each connection."""

    writers: list[asyncio.StreamWriter] = []

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    pool = HttpPool(lambda protocol: loop.create_connection(protocol, "127.0.0.1", port), most)
    try:
        yield pool
    finally:
        await pool.close()
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)


def always(*pieces: bytes) -> Serve:
    """Answer every request with these pieces."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)

    return serve


def plain(content: bytes, *fields: str) -> bytes:
    """Return an answer with its length."""
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(content)}", *fields])
    return head.encode() + b"\r\n\r\n" + content


def chunked(content: bytes, size: int) -> bytes:
    """Return an answer in chunks."""
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


@given(
    content=st.binary(max_size=300),
    size=st.integers(0, 50),
    cuts=st.lists(st.integers(1, 400), max_size=6),
)
@settings(max_examples=40, deadline=None)
def test_an_answer_in_any_pieces_is_read_whole(content, size, cuts):
    """With a length or in chunks, twice on one connection."""
    answer = chunked(content, size) if size else plain(content)
    ends = [0, *sorted({cut for cut in cuts if cut < len(answer)}), len(answer)]
    pieces = [answer[begin:end] for begin, end in pairwise(ends)]

    async def attempt() -> None:
        connections = 0
        serve = always(*pieces)

        async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await serve(reader, writer)

        async with pool_of(counted) as pool:
            for _ in range(2):
                assert await pool.ask(REQUEST, MOST, 5) == (200, content)
            assert connections == 1

    asyncio.run(attempt())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n{}", "no length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "several"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", "several"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding : chunked\r\n\r\n{}", "no name"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n X: folded\r\n\r\n{}", "no name"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}", "unknown length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}", "unknown length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "unknown length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", "more than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{}", "compressed"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "first line"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", "first line"),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", "first line"),
        (b"x" * MAX_HEAD_BYTES, "head is too large"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "no size"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * MAX_HEAD_BYTES, "no size"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", "more than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n", "longer than it says"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", "trailing fields"),
    ],
)
async def test_an_answer_that_readers_could_read_differently_is_refused(answer, why):
    async with pool_of(always(answer)) as pool:
        with pytest.raises(UnusableAnswerError, match=why):
            await pool.ask(REQUEST, MOST, 5)


async def test_what_nobody_asked_for_answers_no_later_question():
    """A second answer that comes along with the first ends the connection."""
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while True:
            await reader.readuntil(b"\r\n\r\n")
            asked += 1
            writer.write(plain(b"%d" % asked) + plain(b"planted"))

    async with pool_of(serve) as pool:
        assert [(await pool.ask(REQUEST, MOST, 5)).content for _ in range(3)] == [b"1", b"2", b"3"]


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced():
    """Each answer is the last of its connection, said or not."""
    for fields in ((), ("Connection: close",)):

        async def once(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fields: tuple[str, ...] = fields
        ) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(plain(b"{}", *fields))
            await writer.drain()

        async with pool_of(once) as pool:
            for _ in range(3):
                assert await pool.ask(REQUEST, MOST, 5) == (200, b"{}")


async def test_an_answer_that_breaks_off_is_an_error():
    """It isn't asked again: the server had begun."""
    asked = 0

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
        await writer.drain()

    async with pool_of(half) as pool:
        with pytest.raises(ConnectionError):
            await pool.ask(REQUEST, MOST, 5)
    assert asked == 1


async def test_times_and_places_are_bounded():
    """One request too many is told as such; one that takes too long frees its place, and its late answer is dropped."""
    go_on = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go_on.wait()
        writer.write(plain(b"late"))
        await writer.drain()

    async with pool_of(late, most=1) as pool:
        first = asyncio.create_task(pool.ask(REQUEST, MOST, 1.0))
        await asyncio.sleep(0)
        with pytest.raises(NoPlaceError):
            await pool.ask(REQUEST, MOST, 0.1)
        with pytest.raises(TimeoutError):
            await first
        cancelled = asyncio.create_task(pool.ask(REQUEST, MOST, 30))
        await asyncio.sleep(0.1)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        go_on.set()
        assert await pool.ask(REQUEST, MOST, 5) == (200, b"late")


async def test_an_answer_in_the_turn_in_which_its_request_is_given_up_leaves_no_connection(monkeypatch):
    """A server that times its answers so must not collect connections beyond the bound."""
    ended = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal ended
        await reader.readuntil(b"\r\n\r\n")
        writer.write(plain(b"{}"))
        await reader.read()
        ended += 1

    finish = _Connection._finish

    def finish_and_give_up(connection: _Connection, asked: _Asked) -> None:
        finish(connection, asked)
        asking.cancel()

    monkeypatch.setattr(_Connection, "_finish", finish_and_give_up)
    async with pool_of(serve) as pool:
        for _ in range(5):
            asking = asyncio.create_task(pool.ask(REQUEST, MOST, 5))
            with pytest.raises(asyncio.CancelledError):
                await asking
        await eventually(lambda: ended == 5)
