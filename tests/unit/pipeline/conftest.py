"""A zone of two real sidecars for every test that asks for one."""

from __future__ import annotations

import pytest

from tests.support.zone import Zone


@pytest.fixture
async def zone(folder):
    """Orchestrator and triage of the support desk."""
    async with Zone(folder) as started:
        yield started


@pytest.fixture
def parts(zone):
    """What the orchestrator's sidecar is made of."""
    return zone.running["orchestrator"]._parts
