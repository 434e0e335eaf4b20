"""Describes which values a term of a policy can have, as far as that is known before it is evaluated.

A shape is an upper bound: the value of the term is one of those that its shape describes. So a comparison that no value of a
shape passes can never be true.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias, TypeGuard

from tabard.caveats import glob_matches

from tabard_sidecar.policy.values import Json

MAX_VALUES = 5_000_000
"""Most values of the policy's data that its shapes list together."""

_FEW_VALUES = 20
"""So many values are looked at with one step, and don't count."""

_MAX_LITERALS = 100_000
"""Most values that a rule writes out, or unites, and that a shape lists."""


class TooLargeError(Exception):
    """A rule takes more to be followed than is allowed; the message says what."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Any value.

    Attributes:
        unlisted: path of data, if there is too much of it to be listed.
        of_input: whether it is a part of the input whose type nothing states, such as a claim.
    """

    unlisted: tuple[str, ...] = ()
    of_input: bool = False


@dataclass(slots=True)
class Allowance:
    """Says how many values of the policy's data may still be listed."""

    left: int = MAX_VALUES

    def take(self, values: int) -> bool:
        """Take values; False if there are more than may be listed."""
        if values <= _FEW_VALUES:
            return True
        if values > self.left:
            return False
        self.left -= values
        return True


ANY: Final = Unknown()
OF_INPUT: Final = Unknown(of_input=True)


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
        allowance: of data.
        types: the types of the values, once they were asked for.
        below: what was found out about the values already, so that data is listed once.
    """

    items: tuple[Json, ...]
    origin: Origin | None = None
    path: tuple[str, ...] = ()
    allowance: Allowance | None = field(default=None, compare=False)
    types: list[frozenset[str]] = field(default_factory=list, compare=False, repr=False)
    below: dict[tuple[str, Json], Shape | None] = field(default_factory=dict, compare=False, repr=False)


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
        path = left.path or right.path
        if allowance is not None and not allowance.take(len(both)):
            return Unknown(path)
        return Values(both, origin, path, allowance)
    if isinstance(left, Fits) and isinstance(right, Fits):
        return Fits(left.schemas + right.schemas)
    if isinstance(left, Many) and isinstance(right, Many) and left.kind == right.kind:
        return Many(left.kind, _either(left.item, right.item))
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
    return Values(tuple(found), shape.origin, path, shape.allowance)


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
    if isinstance(shape, Many | Listed) and shape.kind == "set":
        return items_of(shape)
    if not isinstance(shape, Fits) or any(schema.get("type") != "object" for schema in shape.schemas):
        return ANY
    if any(schema.get("additionalProperties") is not False for schema in shape.schemas):
        return Fits(({"type": "string", "x-what": shape.schemas[0].get("x-what", "the input")},))
    names = [name for schema in shape.schemas for name in schema.get("properties", {})]
    return Fits(({**shape.schemas[0], "type": "string", "enum": names},))


def _keys_of_values(shape: Values) -> Shape | None:
    if any(isinstance(value, list) for value in shape.items):
        return None
    count = sum(len(_items(value)) for value in shape.items)
    found = (key for value in shape.items for key in (value if isinstance(value, dict) else _items(value)))
    if not count or (shape.allowance is not None and not shape.allowance.take(count)):
        return None
    return Values(tuple(found), shape.origin, (), shape.allowance)


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
    return items_of(shape)


def _field_of_values(shape: Values, key: Json) -> Shape | None:
    if shape.allowance is not None and not shape.allowance.take(len(shape.items)):
        return Unknown(_below(shape, str(key)))
    found = tuple(item for value in shape.items for item in _field(value, key))
    return Values(found, shape.origin, _below(shape, str(key)), shape.allowance) if found else None


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
            return OF_INPUT
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
