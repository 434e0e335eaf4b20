"""Effects and their records on a real Redis."""

from __future__ import annotations

import pytest

from tests.contracts.zone.effects import OVERRIDES, POLICY, ZoneEffectsContract


@pytest.fixture
def open_zone(start_zone, start_server):
    """Starts a zone under a policy that charges and asks."""

    async def start(overrides=()):
        server = start_server()
        return await start_zone(
            policy=POLICY, overrides={**OVERRIDES, **dict(overrides), "state.url": server.url}
        )

    return start


class TestRedis(ZoneEffectsContract):
    """Sidecars of many machines."""
