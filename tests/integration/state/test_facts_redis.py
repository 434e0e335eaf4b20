"""Facts of tasks on a real Redis."""

from __future__ import annotations

import pytest

from tests.contracts.zone.facts import ZoneFactsContract
from tests.support.asking import ROLES
from tests.support.noting import POLICY


@pytest.fixture
async def zone(start_zone, start_server):
    """Orchestrator and triage under a policy that notes facts."""
    overrides = {"state.url": start_server().url, "approvals.roles": ROLES}
    return await start_zone(policy=POLICY, overrides=overrides)


class TestRedis(ZoneFactsContract):
    """Sidecars of many machines."""
