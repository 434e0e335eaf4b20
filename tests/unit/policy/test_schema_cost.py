"""The estimate of a schema's work: never below what a check takes, and low for what tools really have."""

from __future__ import annotations

import json

import pytest
from tabard_sidecar.policy.schema import compile_schema
from tabard_sidecar.policy.schema_cost import Size, cost_of, size_of_json, states_of
from tabard_sidecar.policy.schema_rules import SchemaError

SMALL = Size(values=1, exponents=0, fractions=0, bytes=2, depth=1)
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
    cost = cost_of(ORDINARY)
    assert cost.steps(size_of_json(text)) < 30_000
    assert cost.explaining_steps(size_of_json(text)) < 300_000


def test_references_back_multiply_by_depth():
    """A tree whose parts are checked once each doesn't; two alternatives with the same member do."""
    tree = {"properties": {"children": {"items": {"$ref": "#"}}}}
    both = {"anyOf": [{"properties": {"c": {"$ref": "#"}}}, {"properties": {"c": {"$ref": "#"}}}]}
    assert cost_of(tree).steps(SMALL._replace(depth=30)) == cost_of(tree).steps(SMALL)
    assert cost_of(both).steps(SMALL._replace(depth=30)) > 2**30


def test_patterns_of_a_schema_are_bounded():
    """Two mebibytes of them would take half a second to compile."""
    with pytest.raises(SchemaError, match="16384 characters"):
        compile_schema({"pattern": "|".join(f"a{n}" for n in range(300_000))})
