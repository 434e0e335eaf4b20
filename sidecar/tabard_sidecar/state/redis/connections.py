"""A small pool of Redis connections, each used by one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import ResponseError

from tabard_sidecar.state.store import ConcurrentWork, no_work

Part: TypeAlias = str | bytes | float
"""One part of a command."""


class Connections:
    """Connections that redis-py's pool creates but doesn't manage.

    Every decision waits for a command, and the pool's events and statistics cost as much as the command itself.

    Args:
        pool: creates the connections; none of its own is used.
        most: most connections at once; further requests wait.
    """

    def __init__(self, pool: ConnectionPool, *, most: int) -> None:
        self._pool = pool
        self._idle: list[AbstractConnection] = []
        self._free = asyncio.Semaphore(most)
        self._closed = False
        self.made = 0
        """How many connections were made, each of which may lead to another server."""

    async def ask(self, *commands: Sequence[Part], concurrent_work: ConcurrentWork = no_work) -> list[Any]:
        """Send commands together and return the answer to each; the answer to a refused command is its error.

        Calls ``concurrent_work`` once they are sent.

        Raises:
            RedisError: the server can't be reached, or the connection broke.
            OSError: the same.
        """
        async with self._free:
            connection = await self._ready()
            try:
                packed = connection.pack_commands(commands)
                await connection.send_packed_command(packed, check_health=False)
                concurrent_work()
                answers = [await _answer(connection) for _ in commands]
            except BaseException:
                # The next bytes on it might be the answer to this request.
                await connection.disconnect(nowait=True)
                raise
            if self._closed:
                await connection.disconnect(nowait=True)
            else:
                self._idle.append(connection)
            return answers

    async def drop(self) -> None:
        """Close the idle connections."""
        while self._idle:
            await self._idle.pop().disconnect(nowait=True)

    async def close(self) -> None:
        """Close every connection, those in use after their request."""
        self._closed = True
        await self.drop()

    async def _ready(self) -> AbstractConnection:
        connection = self._idle.pop() if self._idle else self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            # Readable before a request was sent means that the server closed the connection.
            if connection.is_connected and not await connection.can_read():
                return connection
            await connection.disconnect(nowait=True)
            await connection.connect()
            self.made += 1
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection


async def _answer(connection: AbstractConnection) -> Any:  # noqa: ANN401 - its type depends on the command
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
