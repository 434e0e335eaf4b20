"""A zone's state on SQLite."""

from __future__ import annotations

import pytest

from tests.contracts.zone.state import ZoneStateContract
from tests.support.spending import POLICY


@pytest.fixture
async def zone(start_zone):
    """Orchestrator and triage under a policy that charges."""
    return await start_zone(policy=POLICY)


class TestSQLite(ZoneStateContract):
    """Sidecars of one machine."""
