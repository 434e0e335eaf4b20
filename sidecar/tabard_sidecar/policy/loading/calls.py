"""Keeps what calls of functions return and find, so that each function is followed once for the same arguments.

Most of what a policy's rules lead to is the library, which they call again and again with the same texts of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from tabard_sidecar.policy.loading.bounds import (
    Fields,
    Fits,
    Listed,
    Many,
    Origin,
    SetValue,
    Shape,
    Unknown,
    Values,
)
from tabard_sidecar.policy.loading.finding import Finding
from tabard_sidecar.policy.loading.program import Path
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

MAX_KEPT = 20_000
"""Most calls that are kept; then it begins anew."""

_MAX_PARTS = 200
"""Arguments of more parts are told apart by their identity only."""

_SCALARS = (str, int, float, bool, type(None))
Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """What a call returned and found.

    Attributes:
        arguments: they are kept, because identities in the call's key name parts of them.
        origins: of the literals among the arguments.
        result: bound of the value.
        findings: what arguments never match in the function, with the place of this call.
        height: how many functions within each other it took.
        of_tool: whether it read what the input has for some tools only.
        moving: whether one of ``origins`` is in the result or a finding.
    """

    arguments: tuple[Shape, ...]
    origins: tuple[Origin, ...]
    result: Shape
    findings: tuple[Finding, ...]
    height: int
    of_tool: bool
    moving: bool

    def answer(self, origins: Sequence[Origin]) -> tuple[Shape, tuple[Finding, ...]]:
        """Return result and findings for a call with the same arguments, whose literals stand elsewhere."""
        if not self.moving or all(one is other for one, other in zip(self.origins, origins, strict=True)):
            return self.result, self.findings
        moved = dict(zip(self.origins, origins, strict=True))
        found = (
            each if each.origin is None else each._replace(origin=moved.get(each.origin, each.origin))
            for each in self.findings
        )
        return _moved(self.result, moved), tuple(found)


class Calls:
    """Calls by function, bound of the input and arguments.

    Args:
        fixed: origins that are no argument's own.
    """

    def __init__(self, fixed: set[Origin]) -> None:
        self._kept: dict[Key, Call] = {}
        self._fixed = fixed

    def clear(self) -> None:
        """Forget all calls."""
        self._kept.clear()

    def key(self, path: Path, arguments: Sequence[Shape]) -> tuple[Key, list[Origin]]:
        """Return what names a call, and the origins of the literals in it."""
        naming = _Naming(self._fixed)
        return (path, *(naming.name(shape) for shape in arguments)), list(naming.origins)

    def find(self, key: Key, bound: Fits) -> Call | None:
        """Return a call with the same arguments that read nothing which differs in this bound of the input."""
        return self._kept.get(key) or self._kept.get((*key, *map(id, bound.schemas)))

    def keep(self, key: Key, bound: Fits, call: Call) -> None:
        """Keep a call."""
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[(*key, *map(id, bound.schemas)) if call.of_tool else key] = call


def make_call(  # noqa: PLR0913 - what a call is
    arguments: Sequence[Shape],
    origins: Sequence[Origin],
    result: Shape,
    findings: Sequence[Finding],
    height: int,
    *,
    of_tool: bool,
) -> Call:
    """Return a call."""
    own = set(origins)
    moving = any(each.origin in own for each in findings) or any(each in own for each in origins_in(result))
    return Call(tuple(arguments), tuple(origins), result, tuple(findings), height, of_tool, moving)


class _Naming:
    """Names shapes, so that two of the same name are the same except for the places of their literals."""

    def __init__(self, fixed: set[Origin]) -> None:
        self.origins: dict[Origin, int] = {}
        self._fixed = fixed
        self._left = _MAX_PARTS

    def name(self, shape: Shape) -> object:
        """Return a name of a shape."""
        self._left -= 1
        if self._left < 0:
            return id(shape)
        found: tuple[object, ...]
        if isinstance(shape, Fits):
            found = (*map(self._schema, shape.schemas), self._origin(shape.chosen_by))
        elif isinstance(shape, Values) and shape.origin is None:
            found = (id(shape.items), shape.path, shape.named)
        elif isinstance(shape, Values):
            found = (self._origin(shape.origin), *self._items(shape.items))
        elif isinstance(shape, Unknown):
            found = (shape.unlisted, shape.of_input)
        elif isinstance(shape, Many):
            found = (shape.kind, self.name(shape.item), self.name(shape.key))
        elif isinstance(shape, Listed):
            found = (shape.kind, *map(self.name, shape.items))
        else:
            fields = ((name, self.name(inner)) for name, inner in shape.fields.items())
            found = (self._origin(shape.origin), *fields)
        return type(shape), found

    def _origin(self, origin: Origin | None) -> object:
        if origin is None or origin in self._fixed:
            return origin
        return self.origins.setdefault(origin, len(self.origins)), origin.reported

    def _schema(self, schema: Mapping[str, Json]) -> object:
        """Return a name of a schema: its words, and the identities of the parts that it shares with others."""
        self._left -= 1
        if self._left < 0:
            return id(schema)
        return tuple(
            (word, value if isinstance(value, _SCALARS) else id(value)) for word, value in schema.items()
        )

    def _items(self, items: Sequence[Json]) -> Iterator[object]:
        for item in items:
            self._left -= 1
            if self._left < 0 or not isinstance(item, (*_SCALARS, list, dict, SetValue)):
                yield id(item)
            elif isinstance(item, list):
                yield "array", *self._items(item)
            elif isinstance(item, SetValue):
                yield "set", *self._items(item.members)
            elif isinstance(item, dict):
                yield "object", *item, *self._items(list(item.values()))
            else:
                yield type(item), item


def origins_in(shape: Shape, seen: set[int] | None = None) -> Iterator[Origin]:
    """Yield where the literals of a shape come from, in every part of it.

    Shapes share parts, so that one may be endless as a tree: each part is visited once. ``seen`` has the identities of
    those that were visited before, and gets those of the others; they must stay alive.
    """
    seen = set() if seen is None else seen
    pending = [shape]
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Values | Fields) and one.origin is not None:
            yield one.origin
        if isinstance(one, Fits) and one.chosen_by is not None:
            yield one.chosen_by
        pending += _parts(one)


def _parts(shape: Shape) -> Sequence[Shape]:
    if isinstance(shape, Many):
        return shape.item, shape.key
    if isinstance(shape, Listed):
        return shape.items
    return tuple(shape.fields.values()) if isinstance(shape, Fields) else ()


def _moved(shape: Shape, moved: Mapping[Origin, Origin]) -> Shape:
    """Return a shape whose literals stand elsewhere; parts that are shared stay shared."""
    made: dict[int, Shape] = {}

    def move(one: Shape) -> Shape:
        if id(one) not in made:
            made[id(one)] = _with_parts(one, moved, move)
        return made[id(one)]

    return move(shape)


def _with_parts(shape: Shape, moved: Mapping[Origin, Origin], move: Callable[[Shape], Shape]) -> Shape:
    if isinstance(shape, Values) and shape.origin is not None:
        return replace(shape, origin=moved.get(shape.origin, shape.origin))
    if isinstance(shape, Fits) and shape.chosen_by is not None:
        return replace(shape, chosen_by=moved.get(shape.chosen_by, shape.chosen_by))
    if isinstance(shape, Many):
        return Many(shape.kind, move(shape.item), move(shape.key))
    if isinstance(shape, Listed):
        return Listed(shape.kind, tuple(move(item) for item in shape.items))
    if isinstance(shape, Fields):
        fields = {name: move(inner) for name, inner in shape.fields.items()}
        return Fields(fields, moved.get(shape.origin, shape.origin) if shape.origin else None)
    return shape
