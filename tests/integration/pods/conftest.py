"""The refund desk's pods."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.desk import Desk, refund_desk


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """The five pods, ready."""
    with refund_desk() as running:
        yield running
