"""docs/guarantees.md: its bounds are those of the code."""

from pathlib import Path

import pytest
from tabard_sidecar.state.labels import COLLAPSED
from tabard_sidecar.state.store import (
    CLAIM_SECONDS,
    HISTORY_CALLS,
    KEPT_CALLS,
    KEPT_SECONDS,
    LABELS_PER_HOLDER,
    REPORTED_PER_HOLDER,
)

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "guarantees.md").read_text("utf-8")


@pytest.mark.parametrize(
    "bound",
    [
        f"| {KEPT_CALLS:,}; older ones",
        f"| the last {HISTORY_CALLS} |",
        f"| {LABELS_PER_HOLDER}; more deny that workload's call |",
        f"| {REPORTED_PER_HOLDER}; more become one, `{COLLAPSED}` |",
        f"| {CLAIM_SECONDS:.0f} s |",
        {3600.0: "| one hour, for labels"}[KEPT_SECONDS],
    ],
)
def test_bounds_are_what_the_code_has(bound):
    assert bound in PAGE
