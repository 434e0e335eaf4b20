"""Schemas that are valid and check nothing, or that nothing fits, are refused at any depth."""

from __future__ import annotations

import pytest
from tabard_sidecar.policy.resources import ELEMENTS, schema
from tabard_sidecar.policy.schema import compile_schema
from tabard_sidecar.policy.schema_rules import SchemaError

NONSENSE = [
    ({"maximun": 3}, "did you mean 'maximum'"),
    ({"requird": ["a"]}, "did you mean 'required'"),
    ({"enmu": [1]}, "did you mean 'enum'"),
    ({"additionalProprties": False}, "did you mean 'additionalProperties'"),
    ({"type": "string", "maximum": 5}, "maximum checks nothing beside type string"),
    ({"type": ["integer", "null"], "maxLength": 5}, "maxLength checks nothing"),
    ({"type": "array", "properties": {}}, "properties checks nothing"),
    ({"type": "object", "items": {}}, "items checks nothing"),
    ({"minimum": 5, "maximum": 3}, "minimum is above maximum"),
    ({"minLength": 5, "maxLength": 3}, "minLength is above maxLength"),
    ({"type": "integer", "enum": [1, "2"]}, "enum.1 isn't of type integer"),
    ({"type": "integer", "const": True}, "const isn't of type integer"),
    ({"type": "string", "const": 1.5}, "const isn't of type string"),
    ({"enum": []}, "enum lists nothing"),
    ({"properties": {"a": {}}, "required": ["b"], "additionalProperties": False}, "required names 'b'"),
    ({"then": {"type": "string"}}, "then checks nothing without if"),
    ({"if": {"type": "string"}}, "if checks nothing without then or else"),
    ({"minContains": 2}, "minContains checks nothing without contains"),
    ({"format": "emial"}, "did you mean 'email'"),
    ({"format": "quux"}, "is unknown"),
    ({"required": "a"}, "must be of type array"),
    ({"maximum": "5"}, "must be of type number"),
    ({"type": "strng"}, "type"),
]
PLACES = {
    "top": lambda inner: inner,
    "items": lambda inner: {"properties": {"a": {"items": inner}}},
    "defs": lambda inner: {"$defs": {"a": inner}},
    "definitions": lambda inner: {"definitions": {"a": {"anyOf": [True, inner]}}},
    "then": lambda inner: {"allOf": [{"if": True, "then": inner}]},
    "not": lambda inner: {"not": {"additionalProperties": inner}},
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(("part", "expected"), NONSENSE)
def test_it_is_refused_with_its_place(place, part, expected):
    with pytest.raises(SchemaError, match=expected):
        compile_schema(place(part))


@pytest.mark.parametrize(
    "sound",
    [
        {"x-vendor": 1, "properties": {"a": {"x-order": 3}}},
        {"type": "integer", "enum": [1, 2.0]},
        {"type": ["string", "integer"], "maxLength": 3, "maximum": 3},
        {"type": "number", "const": 1},
        {"required": ["b"], "additionalProperties": False, "patternProperties": {"^b": {}}},
        {"required": ["b"], "allOf": [{"properties": {"b": {}}}]},
        {"if": {"type": "string"}, "else": False},
        {"type": "string", "format": "date-time"},
        {"type": "integer", "format": "int64"},
        {"properties": {"maximun": {}, "format": {"type": "string"}}},
        {"default": {"maximun": 3}, "examples": [{"format": "quux"}]},
    ],
)
def test_what_can_be_meant_is_accepted(sound):
    compile_schema(sound)


@pytest.mark.parametrize("name", [*ELEMENTS, "input"])
def test_our_own_schemas_make_sense(name):
    compile_schema(schema(name))
