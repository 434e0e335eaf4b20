"""A zone's state on SQLite."""

from __future__ import annotations

import pytest

from tests.support.spending import SpendingZone
from tests.support.state_zone import ZoneState


@pytest.fixture
async def zone(folder):
    """Orchestrator and triage under a policy that charges."""
    async with SpendingZone(folder) as started:
        yield started


class TestSQLite(ZoneState):
    """Sidecars of one machine."""
