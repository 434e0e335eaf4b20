"""Checks each policy once: every proposal checks the present policy and its own five times."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def checked(checked_once):
    with checked_once.used():
        yield
