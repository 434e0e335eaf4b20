"""Larger copies have exactly what they should have more, and curves tell how a cost grows."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_opa import Engine
from tabard_sidecar.policy.authoring.curves import Curve, Point, StepKey, growth_of
from tabard_sidecar.policy.authoring.growing import Collection, collections_in_data, grown
from tabard_sidecar.policy.loading.compiling import parse_modules

KEY = StepKey("desk.rego", 3, 2, 0, negated=False, inside="")
PEOPLE = Collection("data", ("people",))
ENTRIES = st.lists(
    st.fixed_dictionaries({"id": st.text(max_size=5), "n": st.integers(), "on": st.booleans()}), max_size=5
)


@given(people=ENTRIES, more=st.integers(1, 40))
def test_an_array_has_so_many_more_and_the_old_ones_last(people, more):
    before = {"people": people, "other": {"a": [1]}}
    copy = json.loads(json.dumps(before))
    larger = grown(before, PEOPLE, more)
    assert before == copy
    assert larger["other"] == {"a": [1]}
    assert len(larger["people"]) == len(people) + more
    assert larger["people"][more:] == people
    assert len({json.dumps(one) for one in larger["people"][:more]}) == more


@given(st.dictionaries(st.text("abcXYZ019", min_size=1), ENTRIES, max_size=5), st.integers(1, 40))
def test_an_object_has_so_many_more_and_the_old_ones_last(people, more):
    larger = grown({"people": people}, PEOPLE, more)["people"]
    assert len(larger) == len(people) + more
    assert people.items() <= larger.items()
    assert sorted(larger)[more:] == sorted(people)


def test_a_part_of_each_entry_grows():
    data = {"people": {"a": {"roles": ["x"]}, "b": {"roles": []}, "c": {}}}
    larger = grown(data, Collection("data", ("people", "*", "roles")), 10)["people"]
    assert [len(one.get("roles", ())) for one in larger.values()] == [6, 5, 0]


def test_what_is_not_there_or_would_be_too_large_is_not_grown():
    assert grown({"people": 3}, PEOPLE, 10) is None
    assert grown({}, PEOPLE, 10) is None
    assert grown({"people": ["x" * 1_000_000]}, PEOPLE, 1000) is None


def test_collections_are_what_rules_read_as_a_whole_or_by_a_key():
    module = """package policy.desk

import data.staff as people

grant contains {"code": "a"} if {
	some role in people[input.subject.id].roles
	data.limits.max > 3
	role in data.known
	data.policy.other.grant
}

_one := data.limits[input.tool.name].list[_]
"""
    data = {
        "staff": {"u": {"roles": ["x"]}},
        "limits": {"max": 5, "read": {"list": [1]}},
        "known": ["x"],
        "unread": [1],
    }
    with Engine() as engine:
        found = collections_in_data(parse_modules(engine, {"desk.rego": module}), data)
    assert sorted(map(str, found)) == [
        "data.known",
        "data.limits",
        "data.limits[_].list",
        "data.staff",
        "data.staff[_].roles",
    ]
    assert {str(one) for one in found if not one.own} == {"data.known", "data.limits", "data.staff"}


SIZES = (64, 256, 1024)


def curve(evals, solutions, ns=lambda _: 1000):
    return Curve({size: Point(evals(size), solutions(size), ns(size), "text") for size in SIZES})


@pytest.mark.parametrize(
    ("evals", "solutions", "degree"),
    [
        (lambda _: 1, lambda n: n, 1),
        (lambda n: n, lambda n: n * n, 2),
        (lambda n: n * n, lambda n: n**3, 3),
        (lambda _: 2, lambda _: 5, None),
        (lambda n: n, lambda _: 1, None),
        (lambda n: n, lambda n: n, None),
        (lambda _: 1, lambda n: n % 7, None),
    ],
    ids=["linear", "quadratic", "cubic", "constant", "more often", "one solution each", "noise"],
)
def test_the_degree_is_that_of_what_iterates(evals, solutions, degree):
    """What is only evaluated more often isn't the cause."""
    found = growth_of(KEY, curve(evals, solutions), SIZES)
    assert (found.degree if found else None) == degree


@pytest.mark.parametrize(
    ("evals", "ns", "degree"),
    [
        (lambda _: 1, lambda n: 100 * n, 1),
        (lambda n: n, lambda n: 100 * n * n, 2),
        (lambda n: n, lambda n: 1000 * n, None),
        (lambda _: 1, lambda n: 20_000 + n, None),
        (lambda _: 1, lambda n: 5 * n, None),
    ],
    ids=["linear", "quadratic", "more often", "little growth", "too short"],
)
def test_time_tells_what_has_no_steps(evals, ns, degree):
    """Unless it is so short that the machine may be the reason."""
    found = growth_of(KEY, curve(evals, lambda _: 0, ns), SIZES)
    assert (found.degree if found else None) == degree
    assert found is None or found.by_time


def test_two_measurements_tell_nothing():
    assert growth_of(KEY, curve(lambda n: n, lambda n: n * n), SIZES[:2]) is None
