"""Compiles JSON Schemas for checks on every call. A fault names its place and never the value.

``jsonschema-rs`` validates. Its own error messages quote the instance. They also contain the errors of every
alternative of an ``anyOf``, which takes exponential time for a recursive schema. So this module finds the
fault of an invalid instance itself: it descends to the smallest invalid part and reports one failed keyword
there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple
from urllib.parse import unquote

from jsonschema_rs import (
    RegexOptions,
    ValidationError,
    ValidationErrorKind,
    Validator,
    ValidatorMap,
    validator_for,
    validator_map_for,
)

from tabard_sidecar.policy.schema_rules import SchemaError, as_engine_reads, require_acceptable, resolve
from tabard_sidecar.policy.values import Json

Fault = tuple[str, str]
"""Path in the instance (dotted, empty for the instance itself) and problem."""

_MAX_PATTERN_BYTES = 2 * 1024 * 1024
"""Most memory that one compiled pattern may take, which bounds the time that it takes for each character."""
_PATTERNS = RegexOptions(size_limit=_MAX_PATTERN_BYTES)
"""The engine that matches in linear time and knows no back references."""

_PLAIN = frozenset(
    {
        "const", "dependentRequired", "enum", "exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength",
        "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "pattern",
        "required", "type", "uniqueItems",
    }
)  # fmt: skip
"""Keywords without subschemas: each yields one error of bounded size."""


class Check:
    """A compiled schema: returns ``None`` for a valid instance, else the first fault, which never quotes the instance.

    Attributes:
        fits: tells whether an instance is valid. Raises ValueError if it isn't JSON.
        explain: returns the first fault of an instance that doesn't fit, which takes longer.
    """

    __slots__ = ("explain", "fits")

    def __init__(self, fits: Callable[[Json], bool], explain: Callable[[Json], Fault]) -> None:
        self.fits = fits
        self.explain = explain

    def __call__(self, value: Json) -> Fault | None:
        """Return the first fault of a value, ``None`` if it fits."""
        try:
            return None if self.fits(value) else self.explain(value)
        except ValueError as error:  # not JSON: a lone surrogate, a name that isn't a string
            return "", f"can't be checked: {type(error).__name__}"


def compile_schema(schema: Json) -> Check:
    """Compile a schema (drafts 6 to 2020-12; 2020-12 if it doesn't say).

    Raises:
        SchemaError: a keyword that doesn't exist or has an invalid value, a pattern that can't be matched in
            linear time, a reference out of the document, or more parts than are accepted.
    """
    require_acceptable(schema)
    schema = as_engine_reads(schema)
    try:
        fits = _validator(schema).is_valid
    except ValidationError as error:
        raise SchemaError(_in_schema(error)) from error
    except (ValueError, TypeError) as error:
        raise SchemaError(f"the schema is malformed: {error}") from error
    return Check(fits, _Explanation(schema).fault)


def _validator(schema: Json) -> Validator:
    """Compile a schema that :func:`require_acceptable` has let through. ``format`` is an annotation, as 2020-12 has it."""
    return validator_for(schema, pattern_options=_PATTERNS, offline=True, validate_formats=False)


class _Part(NamedTuple):
    """A subschema and the part of the instance that it applies to.

    Attributes:
        pointer: JSON pointer of the subschema in the document.
        schema: the subschema.
        name: the step into the instance; ``None`` if it applies to the same part as the schema above.
        value: that part of the instance.
    """

    pointer: str
    schema: Json
    name: str | int | None
    value: Json


class _Explanation:
    """Finds the faults of instances that one schema refuses."""

    def __init__(self, schema: Json) -> None:
        self._root = schema
        self._plain: dict[str, Validator] = {}
        self._names: dict[str, Validator] = {}

    @cached_property
    def _subschemas(self) -> ValidatorMap:
        """Compiled when the first instance is refused."""
        return validator_map_for(self._root, pattern_options=_PATTERNS, offline=True, validate_formats=False)

    def fault(self, value: Json) -> Fault:
        """Return the first fault of an instance that was refused."""
        # A loop: schema and instance together may be nested deeper than Python recurses.
        part, steps = _Part("#", self._root, None, value), []
        while (smaller := self._smaller(part)) is not None:
            part = smaller
            if part.name is not None:
                steps.append(str(part.name)[:100])
        place, problem = self._own_fault(part)
        for step in reversed(steps):
            place = f"{step}.{place}" if place else step
        return place, problem

    def _smaller(self, part: _Part) -> _Part | None:
        """Return the first smaller part that doesn't fit; ``None`` if the fault lies in this part itself."""
        if not isinstance(part.schema, Mapping) or self._plain_fault(part) is not None:
            return None
        return next((below for below in self._parts(part) if not self._fits(below)), None)

    def _own_fault(self, part: _Part) -> Fault:
        if not isinstance(part.schema, Mapping):
            unknown = part.name is not None and part.pointer.endswith("Properties")
            return "", "is not a known name" if unknown else "must not be there"
        alternatives = next((keyword for keyword in ("anyOf", "oneOf", "not") if keyword in part.schema), "")
        refused = part.schema.get("not")
        stated = refused.get("title") if alternatives == "not" and isinstance(refused, Mapping) else None
        return self._plain_fault(part) or (
            "",
            stated if isinstance(stated, str) else _ALTERNATIVES[alternatives],
        )

    def _fits(self, part: _Part) -> bool:
        subschema = self._subschemas.get(part.pointer)
        return subschema is None or subschema.is_valid(part.value)

    def _plain_fault(self, part: _Part) -> Fault | None:
        pointer, schema = part.pointer, part.schema
        plain = self._plain.get(pointer)
        if plain is None:
            plain = _validator({keyword: schema[keyword] for keyword in schema if keyword in _PLAIN})
            self._plain[pointer] = plain
        try:
            plain.validate(part.value)
        except ValidationError as error:
            return error_fault(error)
        return None

    def _parts(self, part: _Part) -> Iterator[_Part]:
        pointer, schema, _, value = part
        yield from self._same_place(pointer, schema, value)
        if isinstance(value, dict):
            yield from self._members(pointer, schema, value)
        elif isinstance(value, list):
            yield from _items(pointer, schema, value)

    def _same_place(self, pointer: str, schema: Mapping[str, Json], value: Json) -> Iterator[_Part]:
        if "$ref" in schema:
            yield _Part(unquote(schema["$ref"]), resolve(self._root, schema["$ref"]), None, value)
        for index, one in enumerate(schema.get("allOf", ())):
            yield _Part(f"{pointer}/allOf/{index}", one, None, value)
        if "if" in schema:
            met = self._fits(_Part(f"{pointer}/if", schema["if"], None, value))
            branch = "then" if met else "else"
            yield _Part(f"{pointer}/{branch}", schema.get(branch, True), None, value)

    def _members(
        self, pointer: str, schema: Mapping[str, Json], value: Mapping[str, Json]
    ) -> Iterator[_Part]:
        properties = schema.get("properties", {})
        for name, one in properties.items():
            if name in value:
                yield _Part(f"{pointer}/properties/{_escaped(name)}", one, name, value[name])
        rest = value.keys() - properties.keys()
        for pattern, one in schema.get("patternProperties", {}).items():
            named = self._names.get(pattern) or self._names.setdefault(
                pattern, _validator({"pattern": pattern})
            )
            matching = [name for name in value if named.is_valid(name)]
            rest -= set(matching)
            for name in matching:
                yield _Part(f"{pointer}/patternProperties/{_escaped(pattern)}", one, name, value[name])
        for keyword in ("additionalProperties", "unevaluatedProperties"):
            if keyword in schema:
                for name in sorted(rest):
                    yield _Part(f"{pointer}/{keyword}", schema[keyword], name, value[name])


def _items(pointer: str, schema: Mapping[str, Json], value: list[Json]) -> Iterator[_Part]:
    keyword = "items" if isinstance(schema.get("items"), list) else "prefixItems"
    first = schema.get(keyword, ())
    for index, (one, item) in enumerate(zip(first, value, strict=False)):
        yield _Part(f"{pointer}/{keyword}/{index}", one, index, item)
    keyword = "additionalItems" if keyword == "items" else "items"
    if keyword in schema:
        for index in range(len(first), len(value)):
            yield _Part(f"{pointer}/{keyword}", schema[keyword], index, value[index])


def error_fault(error: ValidationError) -> Fault:
    """Return place and problem of an error, without the value."""
    place = [str(step)[:100] for step in error.instance_path]
    if isinstance(error.kind, ValidationErrorKind.Required):
        return ".".join([*place, error.kind.property]), "is missing"
    return ".".join(place), _problem(error.kind)


def _in_schema(error: ValidationError) -> str:
    """Return the problem of a schema that the validator refused."""
    place, problem = error_fault(error)
    if isinstance(error.kind, ValidationErrorKind.Format):
        return (
            f"{place} is not a regular expression that can be matched in linear time, or is too large: "
            "write it without look-around and back references, and with fewer repetitions"
        )
    if isinstance(error.kind, ValidationErrorKind.Referencing):
        return "a reference leads nowhere"
    return f"{place} {problem}" if place else f"the schema {problem}"


def _problem(kind: ValidationErrorKind) -> str:
    match kind:
        case ValidationErrorKind.Type(types):
            return "must be of type " + " or ".join(sorted(types))
        case ValidationErrorKind.Enum(options) if all(isinstance(option, str) for option in options):
            return "must be one of " + ", ".join(sorted(map(str, options)))
        case ValidationErrorKind.Pattern(pattern):
            return f"must match the pattern {pattern}"
        case ValidationErrorKind.MultipleOf(multiple_of):
            return f"must be a multiple of {_number(multiple_of)}"
        case _ if kind.name in _LIMITS:
            return _LIMITS[kind.name].format(_number(kind.value))
    return _FIXED.get(kind.name, f"breaks {kind.name!r} of its schema")


def _number(value: Json) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _escaped(name: str) -> str:
    """Return a step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


_ALTERNATIVES = {
    "anyOf": "fits none of the allowed forms",
    "oneOf": "must fit exactly one of the allowed forms",
    "not": "has a form that is not allowed",
    "": "breaks its schema",
}
_LIMITS = {
    "exclusiveMaximum": "must be below {}",
    "exclusiveMinimum": "must be above {}",
    "maxItems": "must have at most {} items",
    "maxLength": "must have at most {} characters",
    "maxProperties": "must have at most {} members",
    "maximum": "must be at most {}",
    "minItems": "must have at least {} items",
    "minLength": "must have at least {} characters",
    "minProperties": "must have at least {} members",
    "minimum": "must be at least {}",
}
_FIXED = {
    "anyOf": "fits none of the allowed forms",
    "const": "must be the one listed value",
    "enum": "must be one of the listed values",
    "falseSchema": "must not be there",
    "uniqueItems": "must not repeat an item",
}
