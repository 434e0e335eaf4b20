import pytest

from tests.support.approvals import ApprovalWorld
from tests.support.asking import POLICY, ROLES, impatience, terminal


@pytest.fixture
async def world(tmp_path):
    async with ApprovalWorld(tmp_path) as world:
        yield world


@pytest.fixture
def impatient(monkeypatch):
    impatience(monkeypatch)


@pytest.fixture
async def zone(start_zone, impatient):
    """Orchestrator and triage under a policy that asks people."""
    return await start_zone(policy=POLICY, overrides={"approvals.roles": ROLES})


@pytest.fixture
def command(zone, capsys):
    return terminal(zone, capsys)
