"""Follows ``walk`` over parts of the input of which every name is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from tabard_sidecar.policy.loading.bounds import ANY, Fits, Many, Shape
from tabard_sidecar.policy.loading.finding import Frame
from tabard_sidecar.policy.loading.shapes import items_of, keys_of, kinds, uncertain, union
from tabard_sidecar.policy.values import Json

_MAX_DEPTH = 8
_COLLECTIONS = frozenset({"array", "object", "set"})


class Flow(Protocol):
    """Evaluates terms on shapes."""

    def term(self, node: Json, frame: Frame) -> Shape:
        """Return the bound of a term."""
        ...

    def bind(self, pattern: Json, shape: Shape, frame: Frame) -> None:
        """Give the variables of a pattern their bounds."""
        ...

    def unbound(self, term: Json, frame: Frame) -> bool:
        """Tell whether a term is a variable without a bound."""
        ...

    def under(self, shape: Shape, key: Shape, frame: Frame) -> Shape:
        """Return the bound of what stands under a key."""
        ...

    def equate(self, target: Json, shape: Shape, frame: Frame) -> None:
        """Bind a variable or pattern to a value, or compare a term with it."""
        ...


def walk(flow: Flow, operands: list[Json], frame: Frame) -> Shape:
    """Give a pattern of ``[path, value]`` its bounds, and find names and values that are nowhere below the whole."""
    whole, pattern = flow.term(operands[0], frame), operands[1]
    parts = pattern["value"] if pattern.get("type") == "array" else []
    if len(parts) != 2:  # noqa: PLR2004 - path and value
        flow.bind(pattern, ANY, frame)
        return ANY
    path, value = parts
    if path.get("type") == "array":
        below = uncertain(whole)
        for step in path["value"]:
            if flow.unbound(step, frame):
                below = _collections(below)
                flow.bind(step, keys_of(below), frame)
                below = items_of(below)
            else:
                below = flow.under(below, flow.term(step, frame), frame)
        flow.equate(value, uncertain(below), frame)
        return ANY
    keys, values = _below(whole)
    flow.equate(path, Many("array", keys), frame)
    flow.equate(value, values, frame)
    return ANY


def _collections(shape: Shape) -> Shape:
    """Return the bound of the values that have something below them."""
    if not isinstance(shape, Fits):
        return shape
    inner = tuple(schema for schema in shape.schemas if schema.get("type") in _COLLECTIONS)
    return replace(shape, schemas=inner) if inner else shape


def _below(whole: Shape) -> tuple[Shape, Shape]:
    """Return the bounds of the steps of every path below a whole, and of every value; ANY unless all are known."""
    keys: list[Shape] = []
    values: list[Shape] = []
    level = whole
    for _ in range(_MAX_DEPTH):
        types = kinds(level)
        if not isinstance(level, Fits) or types is None:
            return ANY, ANY
        values.append(uncertain(level))
        inner = tuple(schema for schema in level.schemas if schema.get("type") in _COLLECTIONS)
        if not inner:
            return (union(keys) if keys else ANY), union(values)
        keys += [keys_of(Fits((schema,))) for schema in inner]
        level = items_of(Fits(inner))
    return ANY, ANY
