"""Settings and fixtures for every test."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

# Asserts of these tell their values, like those of test modules.
pytest.register_assert_rewrite("tests.contracts", "tests.support")

# No deadline per example: how long one takes says more about the machine than about the code.
settings.register_profile("tabard", deadline=None)
settings.load_profile("tabard")


@settings(max_examples=1, database=None)
@given(st.none())
def _any_law(_nothing):
    pass


@pytest.fixture(scope="session", autouse=True)
def registered_random():
    """Hypothesis has registered its generator of random numbers, as it does at the first law of a process.

    It warns if the collector knows no holder of it. A sidecar of this process freezes what the collector knows
    (``util.garbage.settle``), and from 3.14 on Python no longer finds the holder among what is frozen.
    """
    _any_law()


@pytest.fixture
def folder():
    """A folder whose path is short enough for unix sockets."""
    made = Path(tempfile.mkdtemp(prefix="tb", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def checked_once():
    """Policies that were checked before in this process."""
    from tests.support.checked import CheckedOnce  # noqa: PLC0415 - as below

    return CheckedOnce()


@pytest.fixture
async def start_zone(folder, checked_once):
    """Starts a zone in the folder, with the policy and configuration given; it stops with the test."""
    # Imported here: most tests have no zone, and asserts of this module are to be rewritten first.
    from tests.support.zone import Zone  # noqa: PLC0415

    async with AsyncExitStack() as stack:
        stack.enter_context(checked_once.used())

        async def start(**options):
            return await stack.enter_async_context(Zone(folder, **options))

        yield start
