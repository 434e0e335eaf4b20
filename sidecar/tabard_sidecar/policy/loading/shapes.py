"""Describes which values a term of a policy can have, as far as that is known before it is evaluated.

A shape is an upper bound: the value of the term is one of those that its shape describes. So a comparison that no value of a
shape passes can never be true.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeGuard

from tabard.caveats import glob_matches

from tabard_sidecar.policy.values import Json

MAX_VALUES = 100_000
"""Most values that a shape lists; beyond them nothing is known."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Any value."""


ANY: Final = Unknown()


@dataclass(frozen=True, slots=True)
class SetValue:
    """A set that a rule writes out; JSON has none."""

    members: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Says where literals come from.

    Attributes:
        reported: whether a problem of them can be told: the literal is the policy's and not the library's.
    """

    reported: bool = True

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


@dataclass(frozen=True, slots=True)
class Values:
    """One of some values: what a rule writes out, or what the policy's data holds.

    Attributes:
        items: the values.
        origin: of literals; ``None`` for data.
        path: of data, below ``data``; ``*`` stands for any one key.
    """

    items: tuple[Json, ...]
    origin: Origin | None = None
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fits:
    """A value that fits one of some schemas, such as a part of the input."""

    schemas: tuple[Mapping[str, Json], ...]


@dataclass(frozen=True, slots=True)
class Many:
    """A collection (``array``, ``object`` or ``set``) of whose items one bound is known."""

    kind: str
    item: Shape


@dataclass(frozen=True, slots=True)
class Fields:
    """An object that a rule writes out, with the shape of each field and the origin of its keys."""

    fields: Mapping[str, Shape]
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """An array or set that a rule writes out, with the shape of each item."""

    kind: str
    items: tuple[Shape, ...]


Shape: TypeAlias = Unknown | Values | Fits | Many | Fields | Listed


def is_literal(shape: Shape) -> TypeGuard[Values]:
    """Tell whether a term is one value that a rule writes out."""
    return isinstance(shape, Values) and shape.origin is not None and len(shape.items) == 1


def common_origin(literals: Iterable[Values]) -> Origin | None:
    """Return the origin of literals that belong together: one whose problems are told, if there is one."""
    found = [literal.origin for literal in literals if literal.origin is not None]
    return next((origin for origin in found if origin.reported), found[0] if found else None)


_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}


def kind_of(value: Json) -> str:
    """Return the type of a value, as Rego names it."""
    if value is None:
        return "null"
    return "set" if isinstance(value, SetValue) else _TYPES[type(value)]


def kinds(shape: Shape) -> frozenset[str] | None:
    """Return the types that the values of a shape may have; ``None`` if that isn't known."""
    if isinstance(shape, Values):
        return frozenset(map(kind_of, shape.items))
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
        return Values(both, origin, left.path or right.path) if len(both) <= MAX_VALUES else ANY
    if isinstance(left, Fits) and isinstance(right, Fits):
        return Fits(left.schemas + right.schemas)
    if isinstance(left, Many) and isinstance(right, Many) and left.kind == right.kind:
        return Many(left.kind, _either(left.item, right.item))
    return ANY


def items_of(shape: Shape) -> Shape:
    """Return the bound of the items of a collection; nothing is known of one that is empty by now."""
    if isinstance(shape, Values):
        found = [item for value in shape.items for item in _items(value)]
        if not found or len(found) > MAX_VALUES:
            return ANY
        return Values(tuple(found), shape.origin, _below(shape, "*"))
    if isinstance(shape, Many):
        return shape.item
    if isinstance(shape, Listed | Fields):
        inner = shape.items if isinstance(shape, Listed) else tuple(shape.fields.values())
        return union(inner) if inner else ANY
    return _items_of_schemas(shape) if isinstance(shape, Fits) else ANY


def _items(value: Json) -> Iterable[Json]:
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
            return ANY
        for part in parts:
            if isinstance(part, Mapping):
                found.append(part)
            elif part is True:
                return ANY
    return Fits(tuple(found)) if found else ANY


def keys_of(shape: Shape) -> Shape:
    """Return the bound of the keys of a collection: an array's indexes, a set's members."""
    if isinstance(shape, Values):
        return _keys_of_values(shape)
    if isinstance(shape, Many | Listed) and shape.kind == "set":
        return items_of(shape)
    if not isinstance(shape, Fits) or any(schema.get("type") != "object" for schema in shape.schemas):
        return ANY
    if any(schema.get("additionalProperties") is not False for schema in shape.schemas):
        return Fits(({"type": "string", "x-what": shape.schemas[0].get("x-what", "the input")},))
    names = [name for schema in shape.schemas for name in schema.get("properties", {})]
    return Fits(({**shape.schemas[0], "type": "string", "enum": names},))


def _keys_of_values(shape: Values) -> Shape:
    found: list[Json] = []
    for value in shape.items:
        if isinstance(value, list):
            return ANY
        found += value if isinstance(value, dict) else _items(value)
    return Values(tuple(found), shape.origin) if 0 < len(found) <= MAX_VALUES else ANY


def field_of(shape: Shape, key: Json) -> Shape | None:
    """Return the bound of what stands under a constant key; ``None`` if nothing can stand there."""
    if isinstance(shape, Values):
        found = [item for value in shape.items for item in _field(value, key)]
        return Values(tuple(found), shape.origin, _below(shape, str(key))) if found else None
    if isinstance(shape, Fits):
        return _field_of_schemas(shape, key)
    if isinstance(shape, Fields):
        return shape.fields.get(key) if isinstance(key, str) else None
    return items_of(shape)


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
            part = schema.get("items", True)
        if part is True:
            return ANY
        if isinstance(part, Mapping):
            found.append(part)
    return Fits(tuple(found)) if found else None


def _below(shape: Values, key: str) -> tuple[str, ...]:
    return (*shape.path, key) if shape.origin is None else ()


def fits(value: Json, shape: Fits) -> bool:
    """Tell whether a literal fits one of the schemas, as far as type and listed values go."""
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
    allowed = schema.get("enum")
    return not isinstance(allowed, list) or value in allowed


def same(left: Json, right: Json) -> bool:
    """Tell whether two values are equal in Rego, where true isn't 1."""
    return kind_of(left) == kind_of(right) and left == right
