"""A zone's state on a real Redis."""

from __future__ import annotations

import pytest

from tests.contracts.zone.state import ZoneStateContract
from tests.support.spending import POLICY
from tests.support.tampering import RedisTampering


@pytest.fixture
def server(start_server):
    """A Redis of this test's own."""
    return start_server()


@pytest.fixture
async def zone(start_zone, server):
    """Orchestrator and triage under a policy that charges."""
    return await start_zone(policy=POLICY, overrides={"state.url": server.url})


@pytest.fixture
def tampering(server):
    """Changes the server's keys."""
    return RedisTampering(server)


class TestRedis(ZoneStateContract):
    """Sidecars of many machines."""
