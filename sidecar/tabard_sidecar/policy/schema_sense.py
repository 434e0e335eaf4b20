"""Finds parts of a JSON Schema that are valid and can't have been meant: they check nothing, or nothing fits them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.similar import get_close_matches

_KEYWORDS_OF = {
    "string": "contentEncoding contentMediaType contentSchema maxLength minLength pattern",
    "number": "exclusiveMaximum exclusiveMinimum maximum minimum multipleOf",
    "array": "additionalItems contains items maxContains maxItems minContains minItems prefixItems unevaluatedItems "
    "uniqueItems",
    "object": "additionalProperties dependencies dependentRequired dependentSchemas maxProperties minProperties "
    "patternProperties properties propertyNames required unevaluatedProperties",
}
_TYPE_OF = {keyword: kind for kind, keywords in _KEYWORDS_OF.items() for keyword in keywords.split()}
_BOUNDS = ("{}imum", "{}Length", "{}Items", "{}Properties", "{}Contains")
_NEEDS = {"then": "if", "else": "if", "minContains": "contains", "maxContains": "contains"}
_FORMATS_OF = {
    "JSON Schema": "date date-time duration email hostname idn-email idn-hostname ipv4 ipv6 iri iri-reference "
    "json-pointer regex relative-json-pointer time uri uri-reference uri-template uuid",
    "OpenAPI": "base64url binary byte char commonmark date-time-local decimal decimal128 double double-int float html "
    "http-date int16 int32 int64 int8 media-range password sf-binary sf-boolean sf-decimal sf-integer sf-string sf-token "
    "time-local uint16 uint32 uint64 uint8",
    "Pydantic": "directory-path file-path ipvanyaddress ipvanyinterface ipvanynetwork ipv4interface ipv4network "
    "ipv6interface ipv6network json-string multi-host-uri name-email path uuid1 uuid3 uuid4 uuid5",
}
FORMATS = frozenset(name for names in _FORMATS_OF.values() for name in names.split())
"""Known names of ``format``. They are annotations: none is checked."""


def nonsense(schema: Mapping[str, Json]) -> str:
    """Return the first part of one schema, without its subschemas, that can't have been meant; empty if there is none.

    Keywords may still have values of the wrong type.
    """
    for find in (_unused, _bounds, _unreachable, _format):
        for problem in find(schema):
            return problem
    return ""


def _types(schema: Mapping[str, Json]) -> frozenset[str]:
    stated = schema.get("type")
    names = [stated] if isinstance(stated, str) else stated if isinstance(stated, list) else []
    return frozenset("number" if name == "integer" else name for name in names if isinstance(name, str))


def _unused(schema: Mapping[str, Json]) -> Iterator[str]:
    types = _types(schema)
    for keyword in schema:
        kind = _TYPE_OF.get(keyword)
        if types and kind is not None and kind not in types:
            yield f"{keyword} checks nothing beside type {' or '.join(sorted(types))}"
        needed = _NEEDS.get(keyword)
        if needed is not None and needed not in schema:
            yield f"{keyword} checks nothing without {needed}"
    if "if" in schema and schema.keys().isdisjoint({"then", "else"}):
        yield "if checks nothing without then or else"


def _bounds(schema: Mapping[str, Json]) -> Iterator[str]:
    for form in _BOUNDS:
        low, high = form.format("min"), form.format("max")
        least, most = schema.get(low), schema.get(high)
        if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
            yield f"{low} is above {high}, so nothing fits"


def _unreachable(schema: Mapping[str, Json]) -> Iterator[str]:
    options = schema.get("enum", [schema["const"]] if "const" in schema else None)
    keyword = "enum" if "enum" in schema else "const"
    if options == []:
        yield "enum lists nothing, so nothing fits"
    stated = schema.get("type")
    names = (
        {stated}
        if isinstance(stated, str)
        else set(filter(_is_text, stated))
        if isinstance(stated, list)
        else set()
    )
    for index, option in enumerate(options if names and isinstance(options, list) else ()):
        if names.isdisjoint(_types_of(option)):
            place = f"{keyword}.{index}" if keyword == "enum" else keyword
            yield f"{place} isn't of type {' or '.join(sorted(names))}, so it never fits"
    required, known = schema.get("required"), schema.get("properties", {})
    closed = schema.get("additionalProperties") is False and not schema.get("patternProperties")
    if closed and isinstance(required, list) and isinstance(known, Mapping):
        for name in required:
            if isinstance(name, str) and name not in known:
                yield f"required names {name[:50]!r}, which properties lacks and additionalProperties forbids"


def _format(schema: Mapping[str, Json]) -> Iterator[str]:
    name = schema.get("format")
    if isinstance(name, str) and name not in FORMATS and not name.startswith("x-"):
        close = get_close_matches(name[:50], FORMATS, n=1)
        yield f"format {name[:50]!r} is unknown" + (f"; did you mean {close[0]!r}?" if close else "")


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def _types_of(value: Json) -> frozenset[str]:
    if isinstance(value, bool):
        return frozenset({"boolean"})
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return frozenset({"integer", "number"})
    names = {float: "number", str: "string", list: "array", dict: "object", type(None): "null"}
    return frozenset({names[type(value)]})
