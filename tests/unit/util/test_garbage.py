"""The collector rests while modules are imported, and not longer."""

from __future__ import annotations

import gc

import pytest
from tabard_sidecar.util.garbage import uncollected


def failing(seen):
    """Note whether the collector works, then fail as an import may."""
    with uncollected():
        seen.append(gc.isenabled())
        raise ImportError


def test_the_collector_works_again_whatever_happens():
    """Also after an import that fails."""
    seen = []
    with pytest.raises(ImportError):
        failing(seen)
    assert (seen, gc.isenabled()) == ([False], True)
