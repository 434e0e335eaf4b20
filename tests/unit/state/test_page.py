"""docs/guarantees.md: its bounds are those of the code."""

import re
from pathlib import Path

import pytest
from tabard_sidecar.state.labels import COLLAPSED
from tabard_sidecar.state.redis import store
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


def test_the_documented_rights_cover_every_command_of_the_scripts():
    scripts = Path(store.__file__).with_name("lua").glob("*.lua")
    called = {
        command.lower()
        for script in scripts
        for command in re.findall(r"redis\.call\('(\w+)'", script.read_text("utf-8"))
    }
    listed = PAGE.partition("ACL SETUSER tabard on")[2].partition("```")[0].split()
    rights = {right[1:].partition("|")[0] for right in listed if right.startswith("+")}
    assert called <= rights
    assert called
