"""Lets calls of one task that hinder each other take turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Turns by name, first come, first served. A name is forgotten when the last turn of it ends."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._waiting: dict[str, int] = {}

    def taken(self, name: str) -> bool:
        """Tell whether a turn is being taken."""
        return name in self._locks

    @asynccontextmanager
    async def take(self, name: str) -> AsyncIterator[None]:
        """Wait until the turns before are over, and take one."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        self._waiting[name] = self._waiting.get(name, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._waiting[name] -= 1
            if not self._waiting[name]:
                del self._waiting[name], self._locks[name]
