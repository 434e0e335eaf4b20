"""Orders the integration tests."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the contract of stores first: its times are those of its import, and a server forgets by its own clock."""
    items.sort(key=lambda item: "/integration/state/" not in item.path.as_posix())
