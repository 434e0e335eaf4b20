"""Effects and their records on SQLite."""

from __future__ import annotations

import pytest

from tests.contracts.zone.effects import OVERRIDES, POLICY, ZoneEffectsContract


@pytest.fixture
def open_zone(start_zone):
    """Starts a zone under a policy that charges and asks."""

    async def start(overrides=()):
        return await start_zone(policy=POLICY, overrides={**OVERRIDES, **dict(overrides)})

    return start


class TestSQLite(ZoneEffectsContract):
    """Sidecars of one machine."""
