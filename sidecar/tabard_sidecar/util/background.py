"""Runs work of the event loop that no caller waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Background:
    """Work in the background, which its owner lets end before it closes.

    Args:
        name: name of the tasks.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        """How much is running."""
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, object]) -> None:
        """Start work; what it returns is dropped."""
        task = asyncio.get_running_loop().create_task(work, name=self._name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def settle(self, seconds: float) -> None:
        """Wait for what is running, and cancel what takes longer than ``seconds``."""
        if self._running:
            _, pending = await asyncio.wait(set(self._running), timeout=seconds)
            for task in pending:
                task.cancel()
