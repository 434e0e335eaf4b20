"""The estimate of a schema's work beside what jsonschema-rs really takes: for every keyword, and for any schema and value."""

from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard.arguments import canonical
from tabard_sidecar.policy.schema import compile_schema
from tabard_sidecar.policy.schema_cost import MOST_VALUES, cost_of, size_of, size_of_json
from tabard_sidecar.policy.schema_rules import CHECKING, SchemaError

from tests.unit.policy.test_schema import SCHEMAS, VALUES

STEP_SECONDS = 10e-9
FACTOR = 3
"""How much slower than the machine on which the constants were measured this one may be."""
DRAFT_7 = "http://json-schema.org/draft-07/schema#"

COUNT = 1500
FEW = 150
FRACTIONS = [123456789.12 + n / 7 for n in range(FEW)]
NUMBERS = [
    [1.1e-300 + n * 1e-310 for n in range(FEW)],
    [1.7e308 - n * 1e295 for n in range(FEW)],
    FRACTIONS,
    [2**53 - n for n in range(FEW)],
    *([one] * FEW for one in (5e-324, 0.1, 5.0, 2.0**53)),
]


@cache
def nestings(count):
    """Return all ways to nest so many empty arrays in another one. They all have one hash."""
    if count == 0:
        return [[]]
    return [[one, *more] for n in range(count) for one in nestings(n) for more in nestings(count - 1 - n)]


def always(schema):
    """Return a schema that checks every item with another one, whether one is refused or not."""
    return {"items": {"anyOf": [schema, True]}}


def compared(values):
    """Return schemas that compare numbers with each of the values, and each with all the numbers."""
    limits = ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum")
    schemas = [always({keyword: value}) for value in values for keyword in (*limits, "const", "multipleOf")]
    return {"schemas": [*schemas, always({"enum": values})], "values": NUMBERS}


NAMED = [{f"p{n}": n for n in range(COUNT)}, [{}] * COUNT, [{"p1": 1}] * (COUNT // 2)]
LISTS = [[[]] * COUNT, [[1] * (COUNT - 2)], list(range(COUNT)), ["x"] * COUNT]
ANY = [*NAMED, *LISTS, FRACTIONS]
PARTS = [{"minimum": -n} for n in range(200)]
MANY_KEYWORDS = {
    f"m{limit}{what}": 0 if limit == "in" else 10**6
    for limit in ("in", "ax")
    for what in ("Items", "Length", "Properties", "imum")
}
TEXTS = [["p" * 200 + str(n % 7) for n in range(COUNT)]]
NAMES = [f"p{n}" for n in range(COUNT)]
UNEVALUATED = {"unevaluatedProperties": {"type": "integer"}}
for _ in range(4):
    UNEVALUATED = {"allOf": [UNEVALUATED], "unevaluatedProperties": {"type": "integer"}}
WORST = {
    "additionalItems": {"schemas": [{"$schema": DRAFT_7, "items": [True] * 500, "additionalItems": PARTS[1]}], "values": LISTS},
    "additionalProperties": {"schemas": [{"additionalProperties": {"allOf": PARTS}}, {"properties": dict.fromkeys(NAMES, True), "additionalProperties": False}], "values": NAMED},
    "allOf": {"schemas": [{"items": {"allOf": PARTS}}], "values": ANY},
    "anyOf": {"schemas": [always({"anyOf": [{"maximum": -n - 1} for n in range(200)]})], "values": ANY},
    "const": compared([0.5, 7e-300, 1.6e308, 2**53 - 1]),
    "contains": {"schemas": [{"contains": {"type": "string"}, "minContains": 0}, {"items": {"contains": {"type": "null"}, "minContains": 0}}], "values": LISTS},
    "contentEncoding": {"schemas": [{"$schema": DRAFT_7, **always({"contentEncoding": "base64"})}], "values": TEXTS},
    "contentMediaType": {"schemas": [{"$schema": DRAFT_7, **always({"contentMediaType": "application/json"})}], "values": [["[" + "1," * 60_000 + "1]"], ["[" * 100 + "]" * 100] * COUNT]},
    "dependencies": {"schemas": [{"$schema": DRAFT_7, "items": {"dependencies": {name: ["x"] for name in NAMES}}}], "values": ANY},
    "dependentRequired": {"schemas": [{"items": {"dependentRequired": {name: ["x"] for name in NAMES}}}, {"dependentRequired": dict.fromkeys(NAMES[:100], NAMES[:500])}], "values": ANY},
    "dependentSchemas": {"schemas": [{"items": {"dependentSchemas": dict.fromkeys(NAMES, True)}}], "values": ANY},
    "enum": compared([0.5, 7e-300, 3]) | {"schemas": [always({"enum": [[[]] * 100 + [n] for n in range(50)]}), always({"enum": ["p" * 200 + f"{n}z" for n in range(500)]}), always({"enum": list(range(60))})], "values": [*TEXTS, *NUMBERS, [[[]] * 100 + [-1]] * 15]},
    "exclusiveMaximum": compared([0.1, 5e-324]),
    "exclusiveMinimum": compared([1e22, -1.7e308]),
    "if": {"schemas": [{"items": {"allOf": [{"if": {"minimum": n}, "then": {"maximum": 1e9}, "else": True} for n in range(200)]}}], "values": ANY},
    "items": {"schemas": [{"items": {"items": {"items": {"type": "integer"}}}}, {"$schema": DRAFT_7, "items": [{"type": "integer"}] * COUNT}], "values": LISTS},
    "maxContains": {"schemas": [{"contains": {"type": "integer"}, "maxContains": 10**6}], "values": LISTS},
    "maxItems": {"schemas": [always({"maxItems": 3})], "values": LISTS},
    "maxLength": {"schemas": [always({"allOf": [{"maxLength": 3 + n} for n in range(200)]})], "values": [*TEXTS, ["é" * 100_000]]},
    "maxProperties": {"schemas": [always({"maxProperties": 3})], "values": NAMED},
    "maximum": compared([100, 0.1, 1.7e308]),
    "minContains": {"schemas": [{"contains": {"type": "integer"}, "minContains": 10**6}], "values": LISTS},
    "minItems": {"schemas": [always({"minItems": 3})], "values": LISTS},
    "minLength": {"schemas": [always({"minLength": 10**6})], "values": [*TEXTS, ["é" * 100_000]]},
    "minProperties": {"schemas": [always({"minProperties": 3})], "values": NAMED},
    "minimum": compared([0, 1e-7, -(10**300)]),
    "multipleOf": compared([0.01, 1e-300, 5e-324, 3, 10**300, 1e-6]),
    "not": {"schemas": [always({"not": {"not": {"allOf": PARTS}}})], "values": ANY},
    "oneOf": {"schemas": [always({"oneOf": [{"minimum": n} for n in range(200)]})], "values": ANY},
    "pattern": {"schemas": [always({"pattern": pattern}) for pattern in ("^(a|p)*0$", r"p{1,200}z", r"^[^@]+@[^@]+\.[^@]+$", "(a|p)*p(a|p){50}z", r"\p{L}{20}$")], "values": TEXTS},
    "patternProperties": {"schemas": [{"patternProperties": {f"^p{n}.$": True for n in range(50)}, "additionalProperties": {"type": "integer"}}], "values": NAMED},
    "prefixItems": {"schemas": [{"prefixItems": [{"type": "integer"}] * COUNT}, {"items": {"prefixItems": PARTS}}], "values": LISTS},
    "properties": {"schemas": [{"items": {"properties": dict.fromkeys(NAMES, True)}}, {"properties": {name: {"type": "integer"} for name in NAMES}}], "values": NAMED},
    "propertyNames": {"schemas": [{"propertyNames": {"pattern": "^p[0-9]+$"}}, {"propertyNames": {"anyOf": [{"enum": ["x", "y"]}, True]}}], "values": NAMED},
    "required": {"schemas": [always({"required": NAMES}), {"required": NAMES}], "values": NAMED},
    "$ref": {"schemas": [{"items": {"allOf": [{"$ref": "#/$defs/a"}] * 100}, "$defs": {"a": {"minimum": 0}}}], "values": ANY},
    "type": {"schemas": [{"items": MANY_KEYWORDS}, {"items": {"type": ["string", "integer", "null", "number", "array", "object"]}}], "values": ANY},
    "unevaluatedItems": {"schemas": [{"anyOf": [{"contains": {"minimum": -n}} for n in range(9)], "unevaluatedItems": {"type": "integer"}}], "values": LISTS},
    "unevaluatedProperties": {"schemas": [UNEVALUATED, {"dependentSchemas": {name: {"properties": {name: True}} for name in NAMES[:200]}, "unevaluatedProperties": {"type": "integer"}}], "values": NAMED},
    "uniqueItems": {
        "schemas": [{"uniqueItems": True}, {"items": {"uniqueItems": True}}, {"items": {"type": "integer"}, "uniqueItems": True}],
        "values": [nestings(10)[:9000], [{"a": one} for one in nestings(8)], nestings(5), *NUMBERS, *([row[n : n + 14] for n in range(0, FEW - 14, 14)] for row in NUMBERS), ["x" * 1000 + str(n) for n in range(200)]],
    },
}  # fmt: skip
WORST |= dict.fromkeys(("then", "else"), WORST["if"])


def test_every_keyword_is_measured():
    """A keyword that checks something has a row, so that a new one gets one."""
    assert set(WORST) == CHECKING


@pytest.mark.parametrize("keyword", WORST)
def test_no_keyword_takes_longer_than_estimated(keyword):
    """Its worst schemas with the worst values that are known."""
    for schema in WORST[keyword]["schemas"]:
        for value in WORST[keyword]["values"]:
            measure(schema, value)


@settings(max_examples=150, deadline=None)
@given(SCHEMAS, VALUES, st.sampled_from([1, 20, 300]), st.sampled_from([0, 0.1, 1.1e-300, 1.7e308]))
def test_no_schema_takes_longer_than_estimated(schema, value, times, number):
    """Each finding in a small value would be a large one in a large value, so values are repeated."""
    for one in (
        value,
        [value] * times,
        {f"a{n}": value for n in range(times)},
        [[value, number, n] for n in range(times)],
    ):
        measure(schema, one)  # fmt: skip


def measure(schema, value):
    """Compare what the check of a value, and the search for its fault, take with the estimates."""
    try:
        check = compile_schema(schema)
    except SchemaError:
        return
    text = canonical(value)
    size, cost = size_of(value, len(text)) or size_of_json(text), cost_of(schema)
    require(check.fits, value, cost.steps(size) * STEP_SECONDS * FACTOR + 2e-5)
    if not check.fits(value):
        require(check.explain, value, cost.explaining_steps(size) * STEP_SECONDS * FACTOR + 1e-3)


def deep(levels, rest):
    """Return an object in an object and so on, each with other members."""
    value = 3
    for _ in range(levels):
        value = {"a": value, **rest}
    return value


INTEGERS = {"items": {"type": "integer"}}
FAULTS = {
    "the last item": (INTEGERS, [1] * 100_000 + ["x"]),
    "the last of many rows": ({"items": INTEGERS}, [[1] * 1000] * 60 + [["x"]]),
    "the last member": ({"additionalProperties": {"type": "integer"}}, dict.fromkeys(NAMES * 10, 1) | {f"q{n}": 1 for n in range(20_000)} | {"z": "x"}),
    "a member with many patterns": ({"patternProperties": {f"{n}$": {"type": "integer"} for n in range(50)}}, {f"p{n}": 1 for n in range(2000)} | {"9": "x"}),
    "below many levels": ({"type": "object", "properties": {"a": {"$ref": "#"}, "x": INTEGERS}}, deep(60, {"x": [1] * 1000})),
    "one of many rules": ({"allOf": [{"allOf": [{"allOf": [INTEGERS] * 9 + [{"maxItems": 3}]}]}]}, [1] * 50_000),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_takes_longer_to_find_than_estimated(name):
    """The search looks at every member of the levels that it goes through, in Python."""
    schema, value = FAULTS[name]
    check = compile_schema(schema)
    assert not check.fits(value)
    check.explain(value)  # compiles
    estimate = cost_of(schema).explaining_steps(size_of_json(canonical(value)))
    require(check.explain, value, estimate * STEP_SECONDS * FACTOR)


def require(check, value, seconds):
    """Require that something takes no more processor time, if others on this machine let it."""
    for _ in range(5):
        began = time.thread_time()
        check(value)
        took = time.thread_time() - began
        if took <= seconds:
            return
    raise AssertionError(f"took {took * 1e3:.2f} ms where {seconds * 1e3:.2f} were estimated")


@given(VALUES)
def test_the_size_of_the_text_is_an_upper_bound(value):
    """It is counted in the text without looking at the value."""
    text = canonical(value)
    assert all(one >= other for one, other in zip(size_of_json(text), size_of(value, len(text)), strict=True))


def test_very_many_values_have_no_size():
    """No more are counted than needed."""
    assert size_of([0] * (MOST_VALUES - 1), 1).values == MOST_VALUES
    assert size_of([0] * MOST_VALUES, 1) is None
    assert size_of({"a": [[0] * 1000] * 300}, 1) is None
