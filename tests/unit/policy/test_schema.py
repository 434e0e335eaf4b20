"""Compiled schemas: they accept what the jsonschema package accepts, in bounded time, and explain what they refuse."""

from __future__ import annotations

import re
import time

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.policy.schema import compile_schema
from tabard_sidecar.policy.schema_rules import MAX_HEIGHT, SchemaError
from tabard_sidecar.policy.schema_sense import nonsense

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
DRAFT_7 = "http://json-schema.org/draft-07/schema#"


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
            "multipleOf": st.sampled_from([1, 2, 3, 0.5]),
            "minLength": SMALL,
            "maxLength": SMALL,
            "pattern": st.sampled_from(["^a", "b$", "a+", "^(ab)?$"]),
            "properties": st.dictionaries(KEYS, inner, max_size=2),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), inner, max_size=1),
            "additionalProperties": inner,
            "propertyNames": inner,
            "required": st.lists(KEYS, max_size=2, unique=True),
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "items": inner,
            "contains": inner,
            "uniqueItems": st.booleans(),
            "minItems": SMALL,
            "maxItems": SMALL,
            "minProperties": SMALL,
            "maxProperties": SMALL,
            "dependentRequired": st.dictionaries(KEYS, st.lists(KEYS, max_size=2, unique=True), max_size=1),
            "unevaluatedProperties": inner,
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
        },
    ).map(meant)


def meant(schema):
    """Leave out keywords until the rest can have been meant."""
    while nonsense(schema):
        schema = dict(list(schema.items())[:-1])
    return schema


SCHEMAS = st.recursive(
    st.one_of(st.booleans(), keyword_schemas(st.booleans())), keyword_schemas, max_leaves=3
)


@settings(max_examples=200, deadline=None)
@given(SCHEMAS, st.lists(VALUES, min_size=1, max_size=5))
def test_the_same_instances_are_accepted_as_by_the_jsonschema_package(schema, instances):
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


@pytest.mark.parametrize(
    ("schema", "instance", "fault"),
    [
        ({"type": ["integer", "null"]}, "x", ("", "must be of type integer or null")),
        ({"enum": ["b", "a"]}, "secret", ("", "must be one of a, b")),
        ({"enum": [1, "a"]}, "secret", ("", "must be one of the listed values")),
        ({"const": 1}, "secret", ("", "must be the one listed value")),
        ({"minimum": 1}, 0, ("", "must be at least 1")),
        ({"exclusiveMaximum": 1.5}, 2, ("", "must be below 1.5")),
        ({"multipleOf": 0.5}, 0.3, ("", "must be a multiple of 0.5")),
        ({"pattern": "^a$"}, "secret", ("", "must match the pattern ^a$")),
        ({"uniqueItems": True}, [1, 1.0], ("", "must not repeat an item")),
        ({"minProperties": 1}, {}, ("", "must have at least 1 members")),
        ({"required": ["a"]}, {}, ("a", "is missing")),
        ({"properties": {"a": {"required": ["b"]}}}, {"a": {}}, ("a.b", "is missing")),
        ({"properties": {"a": False}}, {"a": 1}, ("a", "must not be there")),
        ({"properties": {"a/~b": {"type": "null"}}}, {"a/~b": 1}, ("a/~b", "must be of type null")),
        ({"additionalProperties": False}, {"a": 1}, ("a", "is not a known name")),
        ({"additionalProperties": {"type": "null"}}, {"a": 1}, ("a", "must be of type null")),
        ({"patternProperties": {"^a": {"type": "null"}}, "additionalProperties": False}, {"a": 1}, ("a", "must be of type null")),
        ({"patternProperties": {"^a": True}, "additionalProperties": False}, {"a": 1, "b": 1}, ("b", "is not a known name")),
        ({"properties": {"a": True}, "unevaluatedProperties": False}, {"a": 1, "b": 1}, ("b", "is not a known name")),
        ({"prefixItems": [{"type": "null"}], "items": {"type": "string"}}, [None, 3], ("1", "must be of type string")),
        ({"$schema": DRAFT_7, "items": [{"type": "null"}]}, [3], ("0", "must be of type null")),
        ({"allOf": [True, {"properties": {"a": {"type": "null"}}}]}, {"a": 1}, ("a", "must be of type null")),
        ({"if": {"type": "object"}, "then": {"required": ["a"]}}, {}, ("a", "is missing")),
        ({"if": {"type": "object"}, "else": {"maximum": 1}}, 2, ("", "must be at most 1")),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, 3, ("", "fits none of the allowed forms")),
        ({"oneOf": [True, True]}, 3, ("", "must fit exactly one of the allowed forms")),
        ({"not": {"type": "integer"}}, 3, ("", "has a form that is not allowed")),
        ({"contains": {"type": "null"}}, [3], ("", "breaks its schema")),
        ({"$id": "https://x.test/a", "$ref": "#/$defs/b%20c", "$defs": {"b c": {"type": "null"}}}, 3, ("", "must be of type null")),
        (False, 3, ("", "must not be there")),
    ],
)  # fmt: skip
def test_a_fault_names_place_and_rule_and_not_the_value(schema, instance, fault):
    assert compile_schema(schema)(instance) == fault


def test_a_fault_lies_as_deep_as_it_can_be_found():
    check = compile_schema({"properties": {"to": {"items": {"properties": {"mail": {"maxLength": 3}}}}}})
    assert check({"to": [{"mail": "a"}, {"mail": "secret"}]}) == (
        "to.1.mail",
        "must have at most 3 characters",
    )


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "text"}, {"type": []}, 3, "{}", {"minimum": "1"}, {"maxLength": -1}, {"enum": 3}, {"properties": 3},
        {"pattern": 3}, {"pattern": "("}, {"pattern": r"(a)\1"}, {"pattern": "(?=a)"}, {"patternProperties": {"(?!a)": True}},
        {"pattern": "(?m)^a$"}, {"pattern": r"\<a"}, {"pattern": "[]a]"}, {"pattern": "[]"}, {"pattern": "a(?<=b)"}, {"pattern": r"(\p{L}{1,500}){1,50}"}, {"propertyNames": {"pattern": "("}},
        {"$ref": "#/absent"}, {"$defs": {"a": {"$ref": "#/absent"}}}, {"$ref": "#"}, {"anyOf": [{"$ref": "#"}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}},
        {"properties": {"a": {"$ref": "#/$defs/b"}}, "$ref": "#/$defs/b", "$defs": {"b": {"anyOf": [True, {"$ref": "#"}]}}},
        {"$schema": "https://example.com/schema"}, {"$schema": "http://json-schema.org/draft-04/schema#"}, {"$schema": 3},
        {"properties": {"a": {"$id": "b"}}}, {"properties": {"a": {"$schema": DRAFT_7}}},
        {"$schema": DRAFT_7, "$ref": "#/definitions/a", "maximum": 3, "definitions": {"a": True}},
    ],
)  # fmt: skip
def test_a_schema_that_makes_no_sense_is_refused(schema):
    with pytest.raises(SchemaError):
        compile_schema(schema)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"maximun": 3}, "^maximun is no keyword of JSON Schema; did you mean 'maximum'?"),
        ({"properties": {"a": {"items": {"maxlength": 3}}}}, r"^properties\.a\.items\.maxlength is no keyword"),
        ({"allOf": [{"Required": ["a"]}]}, r"^allOf\.0\.Required is no keyword"),
        ({"$schema": DRAFT_7, "prefixItems": [True]}, "prefixItems is no keyword"),
        ({"additionalItems": True}, "additionalItems is no keyword"),
        ({"properties": {"a": {"type": "text"}}}, r"^properties\.a\.type fits none of the allowed forms"),
        ({"pattern": "(?!a)b"}, r"uses \(\?!, which is not supported"),
        ({"pattern": r"(a)\1"}, "linear time"),
        ({"$ref": "https://example.com/x"}, "nothing is fetched"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_schema_is_said_with_its_place(schema, message):
    with pytest.raises(SchemaError, match=message):
        compile_schema(schema)


def test_a_name_that_looks_like_a_keyword_is_a_name():
    compile_schema(
        {"properties": {"maximun": True}, "enum": [{"maximun": 1}], "x-note": {"maximun": 1}, "const": 3}
    )


@pytest.mark.parametrize(
    "reference",
    [
        "http://127.0.0.1:9/schema", "file:///etc/passwd", "file:///dev/zero", "other.json", "#anchor", "urn:x:y", "", 3,
    ],
)  # fmt: skip
def test_nothing_is_fetched_or_opened(reference):
    for schema in (
        {"$ref": reference},
        {"$defs": {"unused": {"$ref": reference}}},
        {"$id": "file:///etc/", "properties": {"a": {"$ref": reference}}},
    ):
        with pytest.raises(SchemaError):
            compile_schema(schema)


@pytest.mark.parametrize(
    "reference",
    ["#/properties/f/anyOf/1", "#/$defs/a%20b", "#/$defs/c~1d~0e", "#/$defs/f%25g", "#/%24defs/a%20b"],
)  # fmt: skip
def test_a_reference_is_a_pointer_in_a_fragment(reference):
    """As tools write what a schema says twice: through an array, and with names that a URI encodes."""
    integer = {"type": "integer"}
    check = compile_schema(
        {
            "properties": {"f": {"anyOf": [{"type": "string"}, integer]}, "g": {"$ref": reference}},
            "$defs": {"a b": integer, "c/d~e": integer, "f%g": integer},
        }
    )
    assert check({"f": "x", "g": 1}) is None
    assert check({"g": "x"}) == ("g", "must be of type integer")


@pytest.mark.parametrize(
    ("factor", "amount", "fits"),
    [
        *((0.01, amount, True) for amount in (19.99, 0.07, 4.35, 1.1, 0.1, 123456789.01, 8, -2.3)),
        *((0.01, amount, False) for amount in (0.015, 19.999, -0.001)),
        (0.0001, 19.9999, True),
        (0.1, 0.35, False),
        (1e-8, 21.12345678, True),
    ],
)
def test_multiples_are_decimal(factor, amount, fits):
    """As amounts of money are written, and not as binary fractions are divided."""
    assert (compile_schema({"multipleOf": factor})(amount) is None) == fits


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("^a$", "a", True),
        (r"^\p{L}+$", "\N{LATIN SMALL LETTER E WITH ACUTE}", True),
        (r"^([a-z0-9]+-)*[a-z0-9]+$", "a-slug-1", True),
        ("^a$", "a\n", False),
        ("[$]", "$", True),
        (r"\$", "$", True),
        (r"[\]$]x", "$x", True),
        (r"^\d$", "1", True),
        (r"^\d$", "\N{ARABIC-INDIC DIGIT THREE}", False),
        (r"^[\d]$", "\N{ARABIC-INDIC DIGIT THREE}", False),
        (r"^\w$", "\N{LATIN SMALL LETTER E WITH ACUTE}", False),
        (r"^\W$", "\N{LATIN SMALL LETTER E WITH ACUTE}", True),
        (r"^[a&&b]$", "&", True),
        (r"^[(?=!]$", "?", True),
        (r"^\[(?:\])$", "[]", True),
        (r"^[[:alpha:]]$", "b", False),
        (r"^(?i)a$", "A", True),
        (r"^(?<year>\d{4})-\d\d$", "2026-11", True),
        (r"^\u00e9$", "\N{LATIN SMALL LETTER E WITH ACUTE}", True),
        (r"^a\b", "a\N{LATIN SMALL LETTER E WITH ACUTE}", True),
        (r"a\B", "a\N{LATIN SMALL LETTER E WITH ACUTE}", False),
        (r"a\B", "ab", True),
        (r"^\\b$", r"\b", True),
        ("^[^]{2}$", "\n\N{GRINNING FACE}", True),
        ("^[^]$", "", False),
        (r"^\[^]$", "[^", False),
        (r"^a[^]*z$", "a\r\n\u2028z", True),
        (r"^[\[^]$", "^", True),
    ],
)
def test_patterns_have_the_meaning_of_ecmascript(pattern, text, fits):
    assert (compile_schema({"pattern": pattern})(text) is None) == fits


PIECES = [
    r"\d",
    r"\D",
    r"\w",
    r"\W",
    r"\b",
    r"\B",
    "[a-c]",
    r"[^\d]",
    r"[\w-]",
    "a",
    "é",
    "_",
    "(?:a|b)",
    "a?",
    "[ab]+",
    "^",
    "$",
]
TEXT = st.text(
    "ab1_é-\n \N{ARABIC-INDIC DIGIT THREE}\N{CYRILLIC SMALL LETTER A}\N{LATIN SMALL LETTER LONG S}",
    max_size=5,
)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join), TEXT)
def test_patterns_are_ascii_and_end_at_the_end(pattern, text):
    expected = (
        re.compile(pattern.replace("$", r"\Z").replace(r"\B", r"(?!\b)"), re.ASCII).search(text) is not None
    )
    for schema, value in (
        ({"pattern": pattern}, text),
        ({"items": {"anyOf": [{"pattern": pattern}, False]}}, [text]),
        ({"patternProperties": {pattern: False}}, {text: 1}),
    ):
        assert (compile_schema(schema)(value) is None) == (expected != ("patternProperties" in schema))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^[^@]+@[^@]+\.[^@]+$", "a@" * 128 * 1024),
        ("^a*a*a*a*b$", "a" * 256 * 1024),
        ("^(a+)+$", "a" * 256 * 1024 + "b"),
        ("^((ab){1,200})*$", "ab" * 128 * 1024 + "a"),
        (r"(\w+\s?)*$", "a " * 128 * 1024 + "!"),
    ],
)
def test_a_pattern_takes_linear_time(pattern, text):
    check = compile_schema({"properties": {"a": {"pattern": pattern}}})
    begun = time.process_time()
    check({"a": text})
    assert time.process_time() - begun < 0.2


_STEP = {"properties": {"x": {"$ref": "#"}}}
_SPLITS = {
    "anyOf": {"anyOf": [{**_STEP, "required": ["a"]}, {**_STEP, "required": ["b"]}]},
    "anyOf first": {"anyOf": [{**_STEP, "maxProperties": 0}, _STEP], "type": "object"},
    "oneOf": {"oneOf": [_STEP, {**_STEP, "required": ["b"]}], "type": "object"},
    "allOf": {"allOf": [_STEP, _STEP], "type": "object"},
    "if": {"if": _STEP, "then": _STEP, "type": "object"},
    "not": {"not": {"not": _STEP}, **_STEP, "type": "object"},
    "unevaluated": {"allOf": [_STEP, _STEP], "unevaluatedProperties": False, "type": "object"},
    "patterns": {"patternProperties": {"x": {"$ref": "#"}, "^x": {"$ref": "#"}}, "type": "object"},
}


@pytest.mark.parametrize("schema", _SPLITS.values(), ids=_SPLITS)
@pytest.mark.parametrize("leaf", [{}, 3], ids=["fits", "doesn't"])
def test_a_schema_that_refers_to_itself_twice_takes_no_exponential_time(schema, leaf):
    check = compile_schema(schema)
    instance = leaf
    for _ in range(60):
        instance = {"x": instance}
    begun = time.process_time()
    check(instance)
    assert time.process_time() - begun < 0.2


def test_a_schema_that_doubles_with_every_reference_is_refused():
    definitions = {f"d{index}": {"anyOf": [{"$ref": f"#/$defs/d{index + 1}"}] * 2} for index in range(30)}
    with pytest.raises(SchemaError, match="parts"):
        compile_schema({"$ref": "#/$defs/d0", "$defs": {**definitions, "d30": {"type": "string"}}})


@pytest.mark.parametrize(("layers", "accepted"), [(5, True), (6, False), (30, False)])
def test_unevaluated_within_unevaluated_has_an_end(layers, accepted):
    """Ten of them for one value, in a schema that refers to itself, took nine seconds for every call."""
    node = {"properties": {"c": {"$ref": "#/$defs/node"}}}
    for _ in range(layers):
        node = {"anyOf": [node, {"properties": {"c": True}}], "unevaluatedProperties": False}
    schema = {"$ref": "#/$defs/node", "$defs": {"node": node}}
    if accepted:
        begun = time.process_time()
        assert compile_schema(schema)({"c": {"c": {}}}) is None
        assert time.process_time() - begun < 0.2
    else:
        with pytest.raises(SchemaError, match="within each other"):
            compile_schema(schema)


def test_unevaluated_at_each_step_into_the_instance_is_accepted():
    schema = True
    for _ in range(20):
        schema = {"properties": {"c": schema}, "unevaluatedProperties": False}
    assert compile_schema(schema)({"c": {"d": 1}}) == ("c.d", "is not a known name")


def test_a_fault_is_found_deeper_than_python_recurses():
    """60 steps into the instance, each through 30 schemas."""
    node = {"type": "object", "properties": {"c": {"$ref": "#/$defs/node"}}}
    for _ in range(30):
        node = {"allOf": [node]}
    instance = "secret"
    for _ in range(60):
        instance = {"c": instance}
    check = compile_schema({"$ref": "#/$defs/node", "$defs": {"node": node}})
    assert check(instance) == (".".join("c" * 60), "must be of type object")


def test_a_chain_of_references_has_an_end():
    definitions = {f"d{index}": {"$ref": f"#/$defs/d{index + 1}"} for index in range(MAX_HEIGHT)}
    with pytest.raises(SchemaError):
        compile_schema({"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{MAX_HEIGHT}": True}})


def test_explaining_a_large_instance_takes_little_time():
    alternatives = [{"items": {"type": "integer", "maximum": limit}} for limit in range(50)]
    check = compile_schema({"properties": {"a": {"anyOf": alternatives}}})
    begun = time.process_time()
    assert check({"a": ["x"] * 60_000}) == ("a", "fits none of the allowed forms")
    assert time.process_time() - begun < 0.5


def test_many_distinct_items_are_told_apart_quickly():
    check = compile_schema({"uniqueItems": True})
    items = [{"n": number} for number in range(20000)]
    assert check(items) is None
    assert check([*items, {"n": 3.0}]) == ("", "must not repeat an item")


@pytest.mark.parametrize("instance", ["\ud800", {1: 2}])
def test_what_is_no_json_is_refused(instance):
    assert (
        "can't be checked" in compile_schema({"type": ["string", "object"], "minProperties": 1})(instance)[1]
    )
