from __future__ import annotations

from collections.abc import Iterator

import pytest
from tabard_opa import Engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine
