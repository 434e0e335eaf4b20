"""The estimate of a schema's work: never below what a check takes, and low for what tools really have."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.policy.schema import compile_schema
from tabard_sidecar.policy.schema_cost import cost_of, states_of
from tabard_sidecar.policy.schema_rules import SchemaError

ORDINARY = {
    "type": "object",
    "required": ["id", "to", "amount"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
        "to": {"type": "string", "pattern": r"^[^@]+@[^@]+\.[^@]+$"},
        "amount": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}},
    },
}


@pytest.mark.parametrize(
    ("pattern", "least", "most"),
    [
        ("abc", 3, 10),
        (r"[a\]]\d[^a]", 18, 30),
        ("^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", 36, 1000),
        ("(?:a|b)*a(?:a|b){6000}c", 12_000, 30_000),
        ("((a{10}){10}){10}", 1000, 2000),
        (r"\p{L}{20}", 2000, 50_000),
        ("(" * 50, 1, 100),
    ],
)
def test_states_of_patterns(pattern, least, most):
    """Repetitions within repetitions multiply; those side by side add up."""
    assert least <= states_of(pattern) <= most


def test_an_ordinary_call_is_checked_at_once():
    """A schema as tools have it, and arguments as agents send them."""
    text = json.dumps({"id": "x" * 36, "to": "a@b.c", "amount": 5, "tags": ["a", "b"]}).encode()
    assert cost_of(ORDINARY).steps(text, 0) < 30_000


def test_references_back_multiply_by_depth():
    """A tree whose parts are checked once each doesn't; two alternatives with the same member do."""
    tree = {"properties": {"children": {"items": {"$ref": "#"}}}}
    both = {"anyOf": [{"properties": {"c": {"$ref": "#"}}}, {"properties": {"c": {"$ref": "#"}}}]}
    assert cost_of(tree).steps(b"{}", 30) == cost_of(tree).steps(b"{}", 1)
    assert cost_of(both).steps(b"{}", 30) > 2**30


@given(
    st.recursive(
        st.one_of(
            st.fixed_dictionaries({"type": st.sampled_from(["string", "integer", "object", "array"])}),
            st.fixed_dictionaries({"enum": st.lists(st.integers(), min_size=1, max_size=5, unique=True)}),
            st.fixed_dictionaries({"pattern": st.sampled_from(["^a+$", "(a|b){3}", "x"])}),
            st.just({"$ref": "#"}),
        ),
        lambda below: st.one_of(
            st.fixed_dictionaries({"properties": st.dictionaries(st.sampled_from("abc"), below, max_size=3)}),
            st.fixed_dictionaries({"items": below}),
            st.fixed_dictionaries({"anyOf": st.lists(below, min_size=1, max_size=3)}),
            st.fixed_dictionaries({"not": below}),
        ),
        max_leaves=8,
    ),
    st.recursive(
        st.one_of(st.integers(), st.text("ab", max_size=50)),
        lambda below: st.one_of(
            st.lists(below, max_size=3), st.dictionaries(st.sampled_from("abc"), below, max_size=3)
        ),
        max_leaves=10,
    ),
)
@settings(max_examples=300)
def test_the_estimate_is_an_upper_bound(schema, value):
    """What is estimated to be short is short, whatever schema and value are."""
    try:
        check = compile_schema(schema)
    except SchemaError:
        return
    text = json.dumps(value).encode()
    steps = cost_of(schema).steps(text, _depth(value))
    check(value)  # compiles what explanations need
    best = min(_timed(check, value) for _ in range(3))
    assert best < 1e-3 + steps * 1e-6


def _timed(check, value):
    began = time.perf_counter()
    check(value)
    return time.perf_counter() - began


def _depth(value):
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, below), default=0)


def test_patterns_of_a_schema_are_bounded():
    """Two mebibytes of them would take half a second to compile."""
    with pytest.raises(SchemaError, match="16384 characters"):
        compile_schema({"pattern": "|".join(f"a{n}" for n in range(300_000))})
