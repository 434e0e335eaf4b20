"""Caveats of a grant that go to another zone: each type is carried, has its reason to stay, or is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from tabard.caveats import CAVEATS, Branch, Budget, Expiry, Hop, MaxDepth
from tabard_sidecar.errors import Refused
from tabard_sidecar.identity.handover import CARRIED
from tabard_sidecar.pipeline.handing_over import carried

EXAMPLES = [
    CAVEATS.decode(one["encoded"].encode())
    for one in json.loads((Path(__file__).parents[2] / "conformance" / "caveats.json").read_text())["cases"]
]


def grant(*caveats, depth=1, budgets=()):
    """A stand-in for a verified grant, with the parts that are looked at."""
    return SimpleNamespace(
        caveats=caveats,
        depth=depth,
        expires_at=1000.0,
        budgets=[SimpleNamespace(name=name) for name in budgets],
    )


@pytest.mark.parametrize("caveat", EXAMPLES, ids=[f"{one.tag}-{n}" for n, one in enumerate(EXAMPLES)])
def test_no_type_of_caveat_is_lost(caveat):
    """A new type is refused until it is listed."""
    if isinstance(caveat, Hop | Branch | Expiry | Budget | MaxDepth):
        return
    if isinstance(caveat, CARRIED):
        assert caveat in carried(grant(caveat))
        return
    with pytest.raises(Refused) as caught:
        carried(grant(caveat))
    assert caught.value.code == "handover_refused"


def test_every_type_has_an_example():
    known = {caveat.tag for caveat in EXAMPLES}
    assert {tag for tag, kind in CAVEATS.types.items() if kind.first_party} <= known


def test_the_end_comes_first_and_is_that_of_the_whole_chain():
    """Before every budget: one that came first would count as granted."""
    found = carried(grant(Expiry(5000.0), Expiry(900.5), budgets=("cents",)))
    assert found == (Expiry(1000.0), Budget("cents", 0))


@pytest.mark.parametrize(("most", "depth", "left"), [(6, 2, 4), (2, 2, 0), (1, 2, 0)])
def test_depth_counts_from_the_first_root(most, depth, left):
    assert MaxDepth(left) in carried(grant(MaxDepth(most), depth=depth))


def test_nothing_of_a_budget_goes_along():
    found = carried(grant(Budget("cents", 500), Budget("cents", 3), budgets=("cents", "cents", "calls")))
    assert [caveat for caveat in found if isinstance(caveat, Budget)] == [
        Budget("calls", 0),
        Budget("cents", 0),
    ]
