"""A zone's state on SQLite."""

from __future__ import annotations

import pytest

from tests.contracts.zone.state import ZoneStateContract
from tests.support.spending import SpendingZone


@pytest.fixture
async def zone(folder):
    """Orchestrator and triage under a policy that charges."""
    async with SpendingZone(folder) as started:
        yield started


class TestSQLite(ZoneStateContract):
    """Sidecars of one machine."""
