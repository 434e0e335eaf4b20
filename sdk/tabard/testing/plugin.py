"""The pytest plugin. Every test run with ``tabard`` installed loads it, so it imports nothing in advance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tabard.testing.sidecar import FakeSidecar


@pytest.fixture
def tabard_fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSidecar]:
    """A fake sidecar that ``tabard.connect()`` finds by itself; denies what the test doesn't allow."""
    from tabard.testing.sidecar import FakeSidecar  # noqa: PLC0415  # see above

    with FakeSidecar() as fake:
        monkeypatch.setenv("TABARD_ADDRESS", fake.address)
        yield fake
