"""Differences between what is shipped and what is stored; tests/integration/k8s/test_doctor.py has those of a real server."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.cluster.comparing import differences
from tabard_sidecar.injector.admission_policy import admission_policies
from tabard_sidecar.injector.registration import webhook_configuration

from tests.support.injecting import settings

SHIPPED = [webhook_configuration(settings(), {"url": "https://x"}), *admission_policies(settings())]
Way = tuple[str | int, ...]


def leaves(value: object, way: Way = ()) -> list[Way]:
    """Return the place of every value in an object that holds no others."""
    if isinstance(value, dict) and value:
        return [place for name, one in value.items() for place in leaves(one, (*way, name))]
    if isinstance(value, list) and value:
        return [place for number, one in enumerate(value) for place in leaves(one, (*way, number))]
    return [way]


PLACES = [(number, way) for number, one in enumerate(SHIPPED) for way in leaves(one)]


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_what_is_shipped_is_no_difference(shipped: dict[str, Any]):
    """Nor is it with what an API server adds."""
    stored = copy.deepcopy(shipped)
    stored["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    stored["status"] = {"observedGeneration": 1}
    assert list(differences(shipped, stored)) == []


@given(place=st.sampled_from(PLACES), other=st.sampled_from([None, "other", 7, [], ["other"]]))
def test_every_other_value_is_a_difference(place: tuple[int, Way], other: object):
    number, (*way, last) = place
    stored = copy.deepcopy(SHIPPED[number])
    holder: Any = stored
    for step in way:
        holder = holder[step]
    if holder[last] == other or (holder[last] == {} and other is None):
        return
    holder[last] = other
    assert list(differences(SHIPPED[number], stored))


@given(place=st.sampled_from([one for one in PLACES if len(one[1]) > 1]))
def test_a_part_that_is_missing_is_a_difference(place: tuple[int, Way]):
    number, (*way, last, _) = place
    stored = copy.deepcopy(SHIPPED[number])
    holder: Any = stored
    for step in way:
        holder = holder[step]
    del holder[last]
    assert list(differences(SHIPPED[number], stored))


@pytest.mark.parametrize(
    "field",
    [
        "excludeResourceRules",
        "matchConditions",
        "matchExpressions",
        "matchLabels",
        "matchResources",
        "paramRef",
        "resourceNames",
    ],
)
def test_what_narrows_is_a_difference(field: str):
    assert list(differences({"a": 1}, {"a": 1, field: [{"x": "y"}]})) == [f"{field} is set"]
    assert list(differences({"a": 1}, {"a": 1, "matchPolicy": "Equivalent"})) == []
