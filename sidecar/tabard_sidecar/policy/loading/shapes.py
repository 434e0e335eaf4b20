"""Describes which values a term of a policy can have, as far as that is known before it is evaluated.

A shape is an upper bound: the value of the term is one of those that its shape describes. So a comparison that no value of a
shape passes can never be true.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from math import inf
from typing import TypeGuard

from tabard.caveats import glob_matches

from tabard_sidecar.policy.loading.bounds import (
    ANY,
    OF_INPUT,
    Fields,
    Fits,
    Listed,
    Many,
    Origin,
    SetValue,
    Shape,
    TooLargeError,
    Unknown,
    Values,
)
from tabard_sidecar.policy.loading.ranges import admits
from tabard_sidecar.policy.values import Json

_MAX_LITERALS = 100_000
"""Most values that a rule writes out, or unites, and that a shape lists."""


def is_literal(shape: Shape) -> TypeGuard[Values]:
    """Tell whether a term is one value that a rule writes out."""
    return isinstance(shape, Values) and shape.origin is not None and len(shape.items) == 1


def common_origin(literals: Iterable[Values]) -> Origin | None:
    """Return the origin of literals that belong together: one whose problems are told, if there is one."""
    found = [literal.origin for literal in literals if literal.origin is not None]
    return next((origin for origin in found if origin.reported), found[0] if found else None)


_TYPES: Mapping[type, str] = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    SetValue: "set",
    type(None): "null",
}


def kind_of(value: Json) -> str:
    """Return the type of a value, as Rego names it."""
    return _TYPES[type(value)]


def kinds(shape: Shape) -> frozenset[str] | None:
    """Return the types that the values of a shape may have; ``None`` if that isn't known."""
    if isinstance(shape, Values):
        if not shape.types:
            types = set(map(type, shape.items))
            shape.types.append(frozenset(_TYPES[each] for each in types))
        return shape.types[0]
    if isinstance(shape, Fits):
        found: set[str] = set()
        for schema in shape.schemas:
            stated = schema.get("type")
            if not isinstance(stated, str):
                return None
            found.add("number" if stated == "integer" else stated)
        return frozenset(found)
    if isinstance(shape, Many | Listed):
        return frozenset({shape.kind})
    return frozenset({"object"}) if isinstance(shape, Fields) else None


def union(shapes: Iterable[Shape]) -> Shape:
    """Return the bound of a term that has one of the shapes; without any, a shape without values."""
    found: Shape | None = None
    for shape in shapes:
        found = shape if found is None else _either(found, shape)
    return Values(()) if found is None else found


def _either(left: Shape, right: Shape) -> Shape:
    if left == right:
        return left
    if (
        isinstance(left, Values)
        and isinstance(right, Values)
        and (left.origin is None) == (right.origin is None)
    ):
        both = left.items + right.items
        origin = left.origin if left.origin is None or left.origin.reported else right.origin
        allowance = left.allowance or right.allowance
        if len(both) > _MAX_LITERALS and allowance is None:
            raise TooLargeError("unites too many values")
        path, named = left.path or right.path, left.named and right.named and left.path == right.path
        if allowance is not None and not allowance.take(len(both)):
            return Unknown(path)
        return Values(both, origin, path, named, allowance)
    if isinstance(left, Fits) and isinstance(right, Fits):
        return Fits(left.schemas + right.schemas)
    return _either_collection(left, right)


def _either_collection(left: Shape, right: Shape) -> Shape:
    if isinstance(left, Many) and isinstance(right, Many) and left.kind == right.kind:
        return Many(left.kind, _either(left.item, right.item), _either(left.key, right.key))
    if isinstance(left, Fields) and isinstance(right, Fields) and left.fields.keys() == right.fields.keys():
        fields = {name: _either(shape, right.fields[name]) for name, shape in left.fields.items()}
        return Fields(fields, left.origin)
    if isinstance(left, Listed) and isinstance(right, Listed):
        arrays = left.kind == right.kind == "array"
        if arrays and len(left.items) == len(right.items):
            return Listed("array", tuple(map(_either, left.items, right.items)))
    if isinstance(left, Many | Listed) and isinstance(right, Many | Listed) and left.kind == right.kind:
        return Many(left.kind, _either(items_of(left), items_of(right)), ANY)
    return ANY


def items_of(shape: Shape) -> Shape:
    """Return the bound of the items of a collection; nothing is known of one that is empty by now."""
    if isinstance(shape, Values):
        return _kept(shape, ("items", None), _items_of_values) or ANY
    if isinstance(shape, Many):
        return shape.item
    if isinstance(shape, Listed | Fields):
        inner = shape.items if isinstance(shape, Listed) else tuple(shape.fields.values())
        return union(inner) if inner else ANY
    if isinstance(shape, Unknown):
        return shape
    return _items_of_schemas(shape)


def _kept(shape: Values, name: tuple[str, Json], find: Callable[[Values], Shape | None]) -> Shape | None:
    """Return what ``find`` finds out about the values; of data it is found out once."""
    if shape.allowance is None:
        return find(shape)
    if name not in shape.below:
        shape.below[name] = find(shape)
    return shape.below[name]


def _listed(shape: Values, count: int, found: Iterable[Json], key: str) -> Shape:
    """Return the bound of values below those of a shape; they are counted if they are of data."""
    path = _below(shape, key)
    if shape.allowance is None and count > _MAX_LITERALS:
        raise TooLargeError("lists too many values")
    if shape.allowance is not None and not shape.allowance.take(count):
        return Unknown(path)
    return Values(tuple(found), shape.origin, path, allowance=shape.allowance)


def _items_of_values(shape: Values) -> Shape | None:
    count = sum(len(_items(value)) for value in shape.items)
    found = (item for value in shape.items for item in _items(value))
    return _listed(shape, count, found, "*") if count else None


def _items(value: Json) -> Collection[Json]:
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, SetValue):
        return value.members
    return value if isinstance(value, list) else ()


def _items_of_schemas(shape: Fits) -> Shape:
    found: list[Mapping[str, Json]] = []
    for schema in shape.schemas:
        if schema.get("type") == "array":
            inner: Json = schema.get("items", True)
            parts = [inner]
        elif schema.get("type") == "object":
            parts = [*schema.get("properties", {}).values(), schema.get("additionalProperties", True)]
        else:
            return OF_INPUT
        for part in parts:
            if isinstance(part, Mapping):
                found.append(part)
            elif part is True:
                return OF_INPUT
    return Fits(tuple(found)) if found else OF_INPUT


def keys_of(shape: Shape) -> Shape:
    """Return the bound of the keys of a collection: an array's indexes, a set's members."""
    if kinds(shape) == frozenset({"array"}):
        return Fits(({"type": "number", "x-what": "an index of an array"},))
    if isinstance(shape, Values):
        return _kept(shape, ("keys", None), _keys_of_values) or ANY
    if isinstance(shape, Many | Listed | Fields):
        return _keys_of_written(shape)
    if not isinstance(shape, Fits) or any(schema.get("type") != "object" for schema in shape.schemas):
        return ANY
    if any(schema.get("additionalProperties") is not False for schema in shape.schemas):
        return Fits(({"type": "string", "x-what": shape.schemas[0].get("x-what", "the input")},))
    names = [name for schema in shape.schemas for name in schema.get("properties", {})]
    return Fits(({**shape.schemas[0], "type": "string", "enum": names},))


def literal_keys(shape: Shape) -> list[tuple[Json, Origin]]:
    """Return the keys and members that a rule writes out, by which a part of the input is looked up."""
    if isinstance(shape, Fields) and shape.origin is not None:
        return [(name, shape.origin) for name in shape.fields]
    if isinstance(shape, Many | Listed) and shape.kind != "array":
        bounds = shape.items if isinstance(shape, Listed) else (keys_of(shape),)
        written = (one for one in bounds if isinstance(one, Values) and one.origin is not None)
        return [(key, one.origin) for one in written for key in one.items if one.origin is not None]
    if not isinstance(shape, Values) or shape.origin is None:
        return []
    found: list[Json] = []
    for value in shape.items:
        if isinstance(value, dict | SetValue):
            found += value if isinstance(value, dict) else value.members
    return [(key, shape.origin) for key in found]


def _keys_of_written(shape: Many | Listed | Fields) -> Shape:
    if isinstance(shape, Fields):
        return Values(tuple(shape.fields), shape.origin) if shape.fields else ANY
    return shape.key if isinstance(shape, Many) and shape.kind != "set" else items_of(shape)


def _keys_of_values(shape: Values) -> Shape | None:
    if any(isinstance(value, list) for value in shape.items):
        return None
    count = sum(len(_items(value)) for value in shape.items)
    found = (key for value in shape.items for key in (value if isinstance(value, dict) else _items(value)))
    if not count or (shape.allowance is not None and not shape.allowance.take(count)):
        return None
    named = shape.origin is None
    return Values(tuple(found), shape.origin, shape.path if named else (), named, shape.allowance)


def field_of(shape: Shape, key: Json) -> Shape | None:
    """Return the bound of what stands under a constant key; ``None`` if nothing can stand there."""
    if isinstance(shape, Values):
        name = ("boolean" if isinstance(key, bool) else "field", key)
        find = partial(_field_of_values, key=key)
        return find(shape) if isinstance(key, dict | list | SetValue) else _kept(shape, name, find)
    if isinstance(shape, Fits):
        return _field_of_schemas(shape, key)
    if isinstance(shape, Fields):
        return shape.fields.get(key) if isinstance(key, str) else None
    if isinstance(shape, Many) and shape.kind != "array" and not may_be(key, keys_of(shape)):
        return None
    return items_of(shape)


def may_be(value: Json, shape: Shape) -> bool:
    """Tell whether a literal may be one of a bound's values. Only names are known of data, since its values change."""
    if isinstance(shape, Values) and (shape.origin is not None or shape.named):
        return any(same(value, item) for item in shape.items)
    return not isinstance(shape, Fits) or fits(value, shape)


def _field_of_values(shape: Values, key: Json) -> Shape | None:
    if shape.allowance is not None and not shape.allowance.take(len(shape.items)):
        return Unknown(_below(shape, str(key)))
    found = tuple(item for value in shape.items for item in _field(value, key))
    path = _below(shape, str(key))
    return Values(found, shape.origin, path, allowance=shape.allowance) if found else None


def _field(value: Json, key: Json) -> Iterator[Json]:
    if isinstance(value, dict):
        if isinstance(key, str) and key in value:
            yield value[key]
    elif isinstance(value, list):
        if isinstance(key, int) and not isinstance(key, bool) and 0 <= key < len(value):
            yield value[key]
    elif isinstance(value, SetValue) and any(same(key, member) for member in value.members):
        yield key


def _field_of_schemas(shape: Fits, key: Json) -> Shape | None:
    found: list[Mapping[str, Json]] = []
    for schema in shape.schemas:
        stated = schema.get("type")
        part: Json = stated is None
        if stated == "object" and isinstance(key, str):
            part = schema.get("properties", {}).get(key, schema.get("additionalProperties", True))
        elif stated == "array" and isinstance(key, int):
            part = _item(schema, key)
        if part is True:
            return OF_INPUT
        if isinstance(part, Mapping):
            found.append(part)
    return Fits(tuple(found)) if found else None


def _item(schema: Mapping[str, Json], index: int) -> Json:
    """Return the schema of what stands at an index; False if nothing does. Of a sorted list the first ones stand before."""
    if not 0 <= index < schema.get("maxItems", inf):
        return False
    found = schema.get("items", True)
    if schema.get("x-sorted") and isinstance(found, Mapping) and "enum" in found:
        return {**found, "enum": sorted(found["enum"])[index:]}
    return found


def _below(shape: Values, key: str) -> tuple[str, ...]:
    return (*shape.path, key) if shape.origin is None else ()


def fits(value: Json, shape: Fits) -> bool:
    """Tell whether a literal fits one of the schemas, as far as type, listed values and bounds go."""
    return any(_fits(value, schema) for schema in shape.schemas)


def _fits(value: Json, schema: Mapping[str, Json]) -> bool:
    stated = schema.get("type")
    kind = kind_of(value)
    if isinstance(stated, str) and ("number" if stated == "integer" else stated) != kind:
        return False
    if stated == "integer" and value != int(value):
        return False
    globs = schema.get("x-globs")
    if globs is not None and not any(glob_matches(glob, value) for glob in globs):
        return False
    inner = schema.get("items")
    if isinstance(value, list) and isinstance(inner, Mapping) and not all(_fits(one, inner) for one in value):
        return False
    allowed = schema.get("enum")
    return admits(value, schema) and (not isinstance(allowed, list) or value in allowed)


def certain(shape: Shape) -> bool:
    """Tell whether a term always has a value, and one that isn't false."""
    return isinstance(shape, Fits) and all(schema.get("x-always") for schema in shape.schemas)


def uncertain(shape: Shape) -> Shape:
    """Return the bound of a term that has a value only if some conditions hold."""
    if not isinstance(shape, Fits) or not any(schema.get("x-always") for schema in shape.schemas):
        return shape
    return replace(shape, schemas=tuple({**schema, "x-always": False} for schema in shape.schemas))


def same(left: Json, right: Json) -> bool:
    """Tell whether two values are equal in Rego, where true isn't 1."""
    return kind_of(left) == kind_of(right) and left == right


def origins(shape: Shape) -> Iterator[Origin]:
    """Yield where the literals of a shape come from."""
    if isinstance(shape, Values) and shape.origin is not None:
        yield shape.origin
    elif isinstance(shape, Listed):
        for item in shape.items:
            yield from origins(item)
    elif isinstance(shape, Fields):
        for item in shape.fields.values():
            yield from origins(item)
    elif isinstance(shape, Many):
        yield from origins(shape.item)
