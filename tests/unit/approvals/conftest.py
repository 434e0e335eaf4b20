import pytest

from tests.support.approvals import ApprovalWorld


@pytest.fixture
async def world(tmp_path):
    async with ApprovalWorld(tmp_path) as world:
        yield world
