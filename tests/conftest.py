"""Settings for every test."""

from __future__ import annotations

from hypothesis import settings

# No deadline per example: how long one takes says more about the machine than about the code.
settings.register_profile("tabard", deadline=None)
settings.load_profile("tabard")
