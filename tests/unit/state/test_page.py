"""docs/guarantees.md: what it says is shown by a test is shown by a test."""

import re
from pathlib import Path

import pytest
from tabard_sidecar.state.store import CLAIM_SECONDS, HISTORY_CALLS, KEPT_CALLS, KEPT_SECONDS, LABELS_PER_TASK

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "guarantees.md").read_text("utf-8")


def test_every_test_that_is_named_exists():
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    there = {
        name
        for path in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert len(named) > 30
    assert named - there == set()


def test_every_file_that_is_named_exists():
    files = {name for name in re.findall(r"`([\w./]+)`", PAGE) if name.startswith("tests/")}
    assert files
    assert {name for name in files if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize(
    "bound",
    [
        f"| {KEPT_CALLS:,}; older ones",
        f"| the last {HISTORY_CALLS} |",
        f"| {LABELS_PER_TASK}; more deny |",
        f"| {CLAIM_SECONDS:.0f} s |",
        {3600.0: "| one hour, for labels"}[KEPT_SECONDS],
    ],
)
def test_bounds_are_what_the_code_has(bound):
    assert bound in PAGE
