"""A zone's state on a real Redis."""

from __future__ import annotations

import pytest

from tests.contracts.zone.state import ZoneStateContract
from tests.support.spending import SpendingZone


class RedisZone(SpendingZone):
    """Sidecars that share a Redis."""

    def __init__(self, folder, server):
        super().__init__(folder, overrides={"state.url": server.url})
        self._server = server

    async def empty(self):
        """Take everything out of the store behind the sidecars' backs."""
        for key in self._server.cli("--scan", "--pattern", "*:task:*").split():
            self._server.cli("del", key)

    async def go_back(self):
        """Let the store lose what it acknowledged last."""
        (meta,) = self._server.cli("--scan", "--pattern", "*:meta").split()
        self._server.cli("hincrby", meta, "epoch", "-2")


@pytest.fixture
async def zone(start_server, folder):
    """Orchestrator and triage under a policy that charges."""
    async with RedisZone(folder, start_server()) as started:
        yield started


class TestRedis(ZoneStateContract):
    """Sidecars of many machines."""
