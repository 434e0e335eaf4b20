"""Changes to a zone's store behind its sidecars' backs: what a restored backup or a lost write leaves."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.redis_server import RedisServer


class Tampering(Protocol):
    """What tests do to a store, whichever it is."""

    async def remove_tasks(self) -> None:
        """Remove every task."""

    async def lose_writes(self, count: int = 2) -> None:
        """Set the store's epoch back by so many acknowledged writes."""


class SQLiteTampering:
    """Changes the state file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def remove_tasks(self) -> None:
        self._execute("DELETE FROM tasks")

    async def lose_writes(self, count: int = 2) -> None:
        self._execute(f"UPDATE epoch SET value = value - {count:d}")  # noqa: S608 - a number

    def _execute(self, statement: str) -> None:
        with contextlib.closing(sqlite3.connect(self._file)) as connection, connection:
            connection.execute(statement)


class RedisTampering:
    """Changes the keys of a server that has one zone."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    async def remove_tasks(self) -> None:
        for key in self._server.cli("--scan", "--pattern", "*:task:*").split():
            self._server.cli("del", key)

    async def lose_writes(self, count: int = 2) -> None:
        (meta,) = self._server.cli("--scan", "--pattern", "*:meta").split()
        self._server.cli("hincrby", meta, "epoch", str(-count))
