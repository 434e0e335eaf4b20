"""Settings and fixtures for every test."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# Asserts of these tell their values, like those of test modules.
pytest.register_assert_rewrite("tests.contracts", "tests.support")

# No deadline per example: how long one takes says more about the machine than about the code.
settings.register_profile("tabard", deadline=None)
settings.load_profile("tabard")


@pytest.fixture
def folder():
    """A folder whose path is short enough for unix sockets."""
    made = Path(tempfile.mkdtemp(prefix="tb", dir="/tmp"))
    yield made
    shutil.rmtree(made)
