"""Saves processor time in all tests without real components: they load thousands of policies and connect to nothing outside."""

from __future__ import annotations

import os

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


@pytest.fixture(scope="session", autouse=True)
def no_public_authorities():
    """No certificate authority of this machine is trusted, here and in processes of tests.

    Each client that is made reads them all, which takes longer than most tests: 140 certificates in 30 ms.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", os.devnull)
        patch.setenv("SSL_CERT_DIR", os.devnull)
        yield
