"""A zone of two real sidecars for every test that asks for one."""

from __future__ import annotations

import pytest

from tests.support.tampering import SQLiteTampering


@pytest.fixture
async def zone(start_zone):
    """Orchestrator and triage of the support desk."""
    return await start_zone()


@pytest.fixture
def parts(zone):
    """What the orchestrator's sidecar is made of."""
    return zone.parts()


@pytest.fixture
def tampering(folder):
    """Changes the zone's state file."""
    return SQLiteTampering(folder / "state.db")
