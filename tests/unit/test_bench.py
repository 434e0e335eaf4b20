"""The benchmarks name functions as texts; a renamed one would be found by a measurement only."""

import pytest

from bench.profile import TIMED


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, name, _, _ in TIMED])
def test_what_the_profile_times_exists(owner, name):
    assert callable(getattr(owner, name))
