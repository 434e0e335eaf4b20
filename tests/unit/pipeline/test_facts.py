"""Facts of tasks on SQLite."""

from __future__ import annotations

import pytest

from tests.contracts.zone.facts import ZoneFactsContract
from tests.support.asking import ROLES
from tests.support.noting import POLICY


@pytest.fixture
async def zone(start_zone):
    """Orchestrator and triage under a policy that notes facts."""
    return await start_zone(policy=POLICY, overrides={"approvals.roles": ROLES})


class TestSQLite(ZoneFactsContract):
    """Sidecars of one machine."""
