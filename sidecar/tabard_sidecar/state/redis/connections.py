"""Connections that carry one question at a time and are kept for the next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import ResponseError

from tabard_sidecar.state.store import Meanwhile, nothing

Part: TypeAlias = str | bytes | float
"""One part of a command."""


class Connections:
    """Connections as a pool of the client makes them, without what the pool does for each command.

    Every decision waits for a command, and the pool's events and statistics cost as much as the command itself.

    Args:
        pool: makes connections; none is taken from it.
        most: most connections at once; whoever needs another one waits.
    """

    def __init__(self, pool: ConnectionPool, *, most: int) -> None:
        self._pool = pool
        self._idle: list[AbstractConnection] = []
        self._free = asyncio.Semaphore(most)
        self._closed = False

    async def ask(self, *commands: Sequence[Part], meanwhile: Meanwhile = nothing) -> list[Any]:
        """Send commands together and return an answer for each; what the server refuses is answered with its error.

        ``meanwhile`` is called once they were sent.

        Raises:
            RedisError: the server can't be reached, or the connection broke.
            OSError: the same.
        """
        async with self._free:
            connection = await self._ready()
            try:
                packed = connection.pack_commands(commands)
                await connection.send_packed_command(packed, check_health=False)
                meanwhile()
                answers = [await _answer(connection) for _ in commands]
            except BaseException:
                # What comes on it next might be the answer to this question.
                await connection.disconnect(nowait=True)
                raise
            if self._closed:
                await connection.disconnect(nowait=True)
            else:
                self._idle.append(connection)
            return answers

    async def drop(self) -> None:
        """Close the connections that nobody uses at the moment."""
        while self._idle:
            await self._idle.pop().disconnect(nowait=True)

    async def close(self) -> None:
        """Close every connection, those in use as soon as they aren't any more."""
        self._closed = True
        await self.drop()

    async def _ready(self) -> AbstractConnection:
        connection = self._idle.pop() if self._idle else self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            # Something to read before anything was asked is the end of the connection.
            if connection.is_connected and not await connection.can_read():
                return connection
            await connection.disconnect(nowait=True)
            await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection


async def _answer(connection: AbstractConnection) -> Any:  # noqa: ANN401 - whatever the command has it answer
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
