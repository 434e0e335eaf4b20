"""A zone of two real sidecars for every test that asks for one."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.support.zone import Zone


@pytest.fixture
def short_folder():
    """A folder whose path is short enough for unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="tb", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def zone(short_folder):
    """Orchestrator and triage of the support desk."""
    async with Zone(short_folder) as started:
        yield started
