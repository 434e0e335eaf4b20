"""Lets Go collect its garbage seldom in all tests without real components."""

from __future__ import annotations

import pytest
from tabard_opa import engine

_COLLECT_PERCENT = 400


@pytest.fixture(scope="session", autouse=True)
def rare_collections():
    """Go collects its garbage seldom, here and in OPA's processes.

    Tests compile thousands of policies and keep few of them: a third of a compilation's processor time is collecting.
    """
    usual = engine.DEFAULT_COLLECT_PERCENT
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOGC", str(_COLLECT_PERCENT))
        patch.setattr(engine, "DEFAULT_COLLECT_PERCENT", _COLLECT_PERCENT)
        yield usual


@pytest.fixture
def usual_collections(rare_collections, monkeypatch):
    """Engines that a test makes collect as often as those of sidecars: for tests of memory."""
    monkeypatch.setattr(engine, "DEFAULT_COLLECT_PERCENT", rare_collections)
