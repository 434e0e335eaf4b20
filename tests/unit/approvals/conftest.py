import pytest

from tests.support.approvals import ApprovalWorld
from tests.support.asking import AskingZone, impatience, terminal


@pytest.fixture
async def world(tmp_path):
    async with ApprovalWorld(tmp_path) as world:
        yield world


@pytest.fixture
def impatient(monkeypatch):
    impatience(monkeypatch)


@pytest.fixture
async def zone(folder, impatient):
    async with AskingZone(folder) as started:
        yield started


@pytest.fixture
def command(zone, capsys):
    return terminal(zone, capsys)
