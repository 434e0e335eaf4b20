"""The contract of state stores on SQLite files."""

import pytest
from tabard_sidecar.state.sqlite import SQLiteStateStore

from tests.contracts.state import StateContract


@pytest.fixture
def new_store(tmp_path):
    """Makes stores of one file, not yet open."""
    return lambda: SQLiteStateStore(tmp_path / "state.db", zone="z", busy_timeout_seconds=10)


@pytest.fixture
async def store(new_store):
    """An open store."""
    opened = new_store()
    await opened.open()
    yield opened
    await opened.close()


class TestSQLite(StateContract):
    """Everything that a store has to do, on a file that several instances share."""
