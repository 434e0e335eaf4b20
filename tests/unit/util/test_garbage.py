"""The collector rests while modules are imported, and doesn't visit them later."""

from __future__ import annotations

import gc

import pytest
from tabard_sidecar.util.garbage import uncollected


def failing(seen):
    """Note whether the collector works, then fail as an import may."""
    with uncollected():
        seen.append(gc.isenabled())
        raise ImportError


@pytest.fixture(autouse=True)
def _thawed():
    yield
    gc.unfreeze()


def test_what_was_imported_is_never_looked_at():
    """The first collection after the imports doesn't visit what they made."""
    with uncollected():
        made = [[] for _ in range(1000)]
    visited = {id(one) for one in gc.get_objects()}
    assert not visited & {id(one) for one in made}


def test_the_collector_works_again_whatever_happens():
    """Also after an import that fails."""
    seen = []
    with pytest.raises(ImportError):
        failing(seen)
    assert (seen, gc.isenabled()) == ([False], True)
