"""The schema compiler and the jsonschema package accept the same instances."""

from __future__ import annotations

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.policy.patterns import SchemaError, safe_pattern
from tabard_sidecar.policy.schema import UnsupportedKeywordError, compile_schema

KEYS = st.sampled_from(["a", "b", "ab"])
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-4, 4), st.sampled_from([0.0, 1.0, 1.5, -2.0]), st.text("ab", max_size=3)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)  # fmt: skip
TYPES = st.sampled_from(["array", "boolean", "integer", "null", "number", "object", "string"])
SMALL = st.integers(0, 3)


def keyword_schemas(inner):
    """Return schemas of one to three keywords."""
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.one_of(TYPES, st.lists(TYPES, min_size=1, max_size=2, unique=True)),
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "const": VALUES,
            "minimum": st.integers(-2, 2),
            "exclusiveMaximum": st.integers(-2, 2),
            "multipleOf": st.integers(1, 3),
            "minLength": SMALL,
            "maxLength": SMALL,
            "pattern": st.sampled_from(["^a", "b$", "a+", "^(ab)?$"]),
            "properties": st.dictionaries(KEYS, inner, max_size=2),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), inner, max_size=1),
            "additionalProperties": inner,
            "required": st.lists(KEYS, max_size=2, unique=True),
            "items": inner,
            "uniqueItems": st.booleans(),
            "minItems": SMALL,
            "maxItems": SMALL,
            "minProperties": SMALL,
            "maxProperties": SMALL,
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
        },
    )


SCHEMAS = st.recursive(
    st.one_of(st.booleans(), keyword_schemas(st.booleans())), keyword_schemas, max_leaves=3
)


@settings(max_examples=100, deadline=None)
@given(SCHEMAS, st.lists(VALUES, min_size=1, max_size=5))
def test_both_agree(schema, instances):
    check = compile_schema(schema)
    reference = jsonschema.Draft202012Validator(schema)
    for instance in instances:
        assert (check(instance) is None) == reference.is_valid(instance), instance


def test_a_schema_may_refer_to_itself():
    schema = {
        "$ref": "#/$defs/tree",
        "$defs": {"tree": {"type": "object", "additionalProperties": {"$ref": "#/$defs/tree"}}},
    }
    check = compile_schema(schema)
    assert check({"a": {"b": {}}}) is None
    assert check({"a": {"b": 3}}) == ("a.b", "must be of type object")


def test_a_fault_names_the_place_and_not_the_value():
    check = compile_schema({"properties": {"to": {"items": {"properties": {"mail": {"maxLength": 3}}}}}})
    assert check({"to": [{"mail": "a"}, {"mail": "secret"}]}) == (
        "to.1.mail",
        "must have at most 3 characters",
    )


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "text"}, {"type": []}, 3, {"minimum": "1"}, {"maxLength": -1}, {"enum": 3}, {"$ref": "#/absent"},
        {"pattern": "("}, {"pattern": "(a+)+$"}, {"pattern": "(a|b*)*c"}, {"pattern": r"(a)\1"}, {"pattern": "((ab){1,2000})*"},
    ],
)  # fmt: skip
def test_a_schema_that_makes_no_sense_is_refused(schema):
    with pytest.raises(SchemaError):
        compile_schema(schema)


@pytest.mark.parametrize("schema", [{"unevaluatedItems": False}, {"$ref": "https://x"}, {"multipleOf": 0.1}])
def test_what_is_not_compiled_is_said(schema):
    with pytest.raises(UnsupportedKeywordError):
        compile_schema(schema)


@pytest.mark.parametrize(
    "pattern", ["^[a-z]+$", "^(a|b){1,3}$", "^[0-9]+-[0-9]+$", "^(?:[a-z]{2,4}-)?[0-9]*$"]
)
def test_ordinary_patterns_are_accepted(pattern):
    safe_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("^a$", "a", True),
        ("^a$", "a\n", False),
        ("[$]", "$", True),
        (r"\$", "$", True),
        (r"[\]$]x", "$x", True),
    ],
)
def test_a_dollar_is_the_very_end(pattern, text, fits):
    assert (compile_schema({"pattern": pattern})(text) is None) == fits


def test_many_distinct_items_are_told_apart_quickly():
    check = compile_schema({"uniqueItems": True})
    items = [{"n": number} for number in range(20000)]
    assert check(items) is None
    assert check([*items, {"n": 3.0}]) == ("", "must not repeat an item")
