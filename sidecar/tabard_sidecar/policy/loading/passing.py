"""Follows names through builtins that pick, join or compare parts of collections."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tabard_sidecar.policy.loading.bounds import ANY, Fields, Fits, Listed, Many, SetValue, Shape, Values
from tabard_sidecar.policy.loading.shapes import is_literal, items_of, kinds, union
from tabard_sidecar.policy.values import Json

Under = Callable[[Shape, Shape], Shape]
"""Returns the bound of what stands under a key, and finds keys that can't be there."""

_MAX_DEPTH = 16


def picked(name: str, whole: Shape, wanted: Shape, under: Under) -> Shape:
    """Find names that the whole hasn't got among those that a filter keeps; return the whole as its bound."""
    if is_literal(wanted):
        for key in _keys(wanted.items[0]):
            found = whole
            for step in _steps(key) if name == "json.filter" else [key]:
                found = under(found, Values((step,), wanted.origin))
    return whole


def _keys(value: Json) -> Iterator[Json]:
    yield from (
        value.members if isinstance(value, SetValue) else value if isinstance(value, dict | list) else ()
    )


def _steps(path: Json) -> list[Json]:
    """Return the steps of a path of json.filter that are names."""
    steps = path.removeprefix("/").split("/") if isinstance(path, str) else path
    return [int(step) if isinstance(step, str) and step.isdecimal() else step for step in steps]


def contained(whole: Shape, part: Shape, under: Under, equal: Callable[[Shape, Shape], None]) -> None:
    """Find names and values of an object that another one never contains."""
    pending = [(whole, part, 0)]
    while pending:
        outer, inner, depth = pending.pop()
        fields = _fields(inner) if depth < _MAX_DEPTH else None
        if fields is None:
            equal(outer, inner)
            continue
        origin = inner.origin if isinstance(inner, Values | Fields) else None
        for key, item in fields.items():
            pending.append((under(outer, Values((key,), origin)), item, depth + 1))


def _fields(shape: Shape) -> dict[str, Shape] | None:
    if isinstance(shape, Fields) and shape.origin is not None:
        return dict(shape.fields)
    if is_literal(shape) and isinstance(shape.items[0], dict):
        return {key: Values((item,), shape.origin) for key, item in shape.items[0].items()}
    return None


def merged(left: Shape, right: Shape) -> Shape | None:
    """Return the bound of two joined objects of data or of the input, or that rules write out; a key may come from either."""
    written, more = _fields(left), _fields(right)
    if written is not None and more is not None and isinstance(left, Fields | Values):
        # Objects under a key of both are joined in turn.
        shared = dict.fromkeys(written.keys() & more.keys(), ANY)
        return Fields(written | more | shared, left.origin)
    data = all(isinstance(side, Values) and side.origin is None for side in (left, right))
    return union((left, right)) if data or all(isinstance(side, Fits) for side in (left, right)) else None


def joined_arrays(left: Shape, right: Shape) -> Shape:
    """Return the bound of two arrays one after the other."""
    return Many("array", union((items_of(left), items_of(right))))


def pairs(left: Shape, right: Shape) -> list[tuple[Shape, Shape]]:
    """Return the items that have to be equal in two written arrays of one length, or in a written collection and another."""
    for whole, part in ((left, right), (right, left)):
        if isinstance(whole, Many) and is_literal(part) and kinds(part) == frozenset({whole.kind}):
            items = _keys(part.items[0]) if whole.kind != "object" else ()
            return [(whole.item, Values((item,), part.origin)) for item in items]
    sides = [_items(side) for side in (left, right)]
    if sides[0] is None or sides[1] is None or len(sides[0]) != len(sides[1]):
        return []
    return list(zip(sides[0], sides[1], strict=True))


def _items(shape: Shape) -> list[Shape] | None:
    if isinstance(shape, Listed) and shape.kind == "array":
        return list(shape.items)
    if is_literal(shape) and isinstance(shape.items[0], list):
        return [Values((item,), shape.origin) for item in shape.items[0]]
    return None


def listed(shape: Fits) -> list[Json]:
    """Return the values that the schemas of a part of the input list; none unless each of them lists its own."""
    found = [schema.get("enum") for schema in shape.schemas]
    known = [values for values in found if isinstance(values, list)]
    return [value for values in known for value in values] if len(known) == len(found) else []
