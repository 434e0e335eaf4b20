"""The cache of composed answers never changes a decision."""

from __future__ import annotations

import dataclasses
import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.model import Operation, PolicyDecision
from tabard_sidecar.policy import composer as module
from tabard_sidecar.policy.compose import compose
from tabard_sidecar.policy.composer import Composer
from tabard_sidecar.policy.loading.rules import RuleIndex, RuleSite
from tabard_sidecar.policy.resources import ELEMENTS

RULES = RuleIndex({"m": {name: (RuleSite("m.rego", 1),) for name in ELEMENTS}})
JWT = {"kind": "jwt", "audience": "a", "scopes": ["x"], "ttl_seconds": 60}
VAULT = {"kind": "vault", "audience": "a", "role": "r"}
ASK = {"code": "sure", "approvers": ["boss"], "reason": "r", "uses": 1, "ttl_seconds": 60}

AMOUNTS = st.one_of(
    st.integers(0, 9),
    st.sampled_from([-1, 1.5, 2.0, True, None, "1", 2**53 - 1, 2**53, 2**70, [1], {}]),
)
CHARGES = st.one_of(
    st.dictionaries(st.sampled_from(["cents", "calls", ""]), AMOUNTS), st.sampled_from([None, 3, []])
)
GRANTS = st.fixed_dictionaries(
    {"code": st.sampled_from(["pay", "see", "No!"])},
    optional={
        "credential": st.sampled_from([JWT, VAULT]),
        "charges": CHARGES,
        "labels": st.just(["charges"]),
    },
)
ITEMS = st.one_of(
    st.fixed_dictionaries({"module": st.sampled_from(["m", "other"]), "element": GRANTS}),
    st.sampled_from([None, {}, {"module": "m"}, {"module": "m", "element": [{"charges": {"cents": 1}}]}]),
)
ANSWERS = st.one_of(
    st.fixed_dictionaries(
        {
            **{name: st.just([]) for name in ELEMENTS},
            "grant": st.lists(ITEMS, max_size=3),
            "ask": st.sampled_from([[], [{"module": "m", "element": ASK}]]),
        }
    ),
    st.sampled_from([None, [], {"grant": 1}, {"grant": [{"element": {"charges": {"cents": 1}}}]}]),
)
APPROVED = st.sampled_from([frozenset(), frozenset({("m", "sure")})])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(ANSWERS, APPROVED), min_size=1, max_size=6))
def test_an_answer_comes_to_the_same_whatever_was_asked_before(asked):
    composer = Composer("r1", RULES)
    # Twice, so that each is composed once more with everything remembered.
    for answer, approved in [*asked, *asked]:
        text = json.dumps(answer).encode()
        expected = compose(
            orjson.loads(text), Operation.AUTHORIZE, revision="r1", rules=RULES, approvals=approved
        )
        assert composer.compose(Operation.AUTHORIZE, text, approved) == expected


def answer(cents, **more):
    document = {name: [] for name in ELEMENTS}
    document["grant"] = [{"module": "m", "element": {"code": "pay", "charges": {"cents": cents}, **more}}]
    return orjson.dumps(document)


@pytest.fixture
def composed(monkeypatch):
    """Count how often an answer is composed anew."""
    calls = []

    def counting(*args, **kwargs):
        calls.append(args)
        return compose(*args, **kwargs)

    monkeypatch.setattr(module, "compose", counting)
    return calls


def test_answers_that_differ_in_their_amounts_are_composed_once(composed):
    composer = Composer("r1", RULES)
    charges = [
        composer.compose(Operation.AUTHORIZE, answer(cents), frozenset()).charges["cents"]
        for cents in range(50)
    ]
    assert charges == list(range(50))
    assert len(composed) == 1


def test_an_amount_that_breaks_its_schema_is_refused_although_others_were_remembered():
    composer = Composer("r1", RULES)
    assert composer.compose(Operation.AUTHORIZE, answer(1), frozenset()).allowed
    for cents in (-1, 0.5, True, 2**53):
        refused = composer.compose(Operation.AUTHORIZE, answer(cents), frozenset())
        assert [reason.code for reason in refused.denials] == ["policy_error"]
    assert composer.compose(Operation.AUTHORIZE, answer(0), frozenset()).charges == {"cents": 0}


def test_operations_and_approvals_are_told_apart():
    composer = Composer("r1", RULES)
    document = orjson.loads(answer(1))
    document["ask"] = [{"module": "m", "element": ASK}]
    text = orjson.dumps(document)
    assert not composer.compose(Operation.AUTHORIZE, text, frozenset()).allowed
    assert composer.compose(Operation.AUTHORIZE, text, frozenset({("m", "sure")})).charges == {"cents": 1}
    assert not composer.compose(Operation.RENEW, text, frozenset({("m", "sure")})).allowed


def test_what_is_remembered_is_bounded(composed):
    composer = Composer("r1", RULES)
    for number in range(1_000):
        composer.compose(Operation.AUTHORIZE, answer(1, labels=[f"l{number}"]), frozenset())
    assert len(composer._decisions) <= 256
    large = answer(1, labels=["x" * 500] * 10)
    composer.compose(Operation.AUTHORIZE, large, frozenset())
    before = len(composed)
    composer.compose(Operation.AUTHORIZE, large, frozenset())
    assert len(composed) == before + 1
    assert composer.compose(Operation.AUTHORIZE, b"{", frozenset()).denials[0].code == "policy_error"


def test_other_charges_change_nothing_else():
    """Every field is given on."""
    values = {field.name: object() for field in dataclasses.fields(PolicyDecision)}
    decision, charges = PolicyDecision(**values), {"cents": 3}
    assert decision.charging(charges) == dataclasses.replace(decision, charges=charges)
