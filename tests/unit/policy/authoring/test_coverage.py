"""Reports of several runs are put together by what ran in any of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_opa import FileCoverage, Range
from tabard_sidecar.policy.authoring.coverage import by_module, percent, united, written_rows

PARTS = [Range(row, column, row + rows, 9) for row in range(1, 6) for column in (1, 4) for rows in (0, 1)]
RAN = st.sets(st.sampled_from(PARTS))


def report(ran):
    """What a run tells of a file with these parts."""
    return {"desk.rego": FileCoverage(frozenset(ran), frozenset(PARTS) - frozenset(ran))}


@given(st.lists(RAN, min_size=1, max_size=4))
def test_what_ran_in_any_run_ran(runs):
    whole = united(map(report, runs))["desk.rego"]
    assert whole.covered == set().union(*runs)
    assert whole.not_covered == set(PARTS) - set().union(*runs)
    for order in itertools.permutations(runs):
        assert united(map(report, order))["desk.rego"] == whole


@given(RAN, RAN)
def test_another_run_never_covers_less(one, other):
    (alone,), (both,) = by_module(report(one)), by_module(united([report(one), report(other)]))
    assert both.percent >= alone.percent
    assert set(both.uncovered) <= set(alone.uncovered)


@given(RAN)
def test_each_line_is_either_covered_or_not(ran):
    (module,) = by_module(report(ran))
    lines = {row for part in PARTS for row in part.rows()}
    assert module.covered + len(module.uncovered) == len(lines)
    assert percent([module]) == module.percent


def test_a_file_that_one_run_tells_of_alone_is_there():
    one = {"a.rego": FileCoverage(frozenset(PARTS[:1]), frozenset())}
    found = by_module(united([one, report(set())]))
    assert [(module.file, module.percent) for module in found] == [("a.rego", 100), ("desk.rego", 0)]


def test_nothing_is_covered_of_nothing():
    assert united([]) == {}
    assert percent([]) == 0


@pytest.mark.parametrize(
    ("rows", "text"),
    [([], ""), ([3], "3"), ([3, 4], "3-4"), ([9, 1, 2, 3, 7], "1-3, 7, 9"), ([1, 3, 5], "1, 3, 5")],
)
def test_lines_are_written_as_runs(rows, text):
    assert written_rows(rows) == text
