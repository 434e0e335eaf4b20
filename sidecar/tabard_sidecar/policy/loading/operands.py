"""Finds operands of a type that a builtin never takes: such a call has no value, whatever the input is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from tabard_opa import default_capabilities

from tabard_sidecar.policy.loading.bounds import Fits, Shape, Values
from tabard_sidecar.policy.loading.finding import Frame, operand_mismatch
from tabard_sidecar.policy.loading.shapes import items_of, kinds
from tabard_sidecar.policy.values import Json

_CHECKED_ELSEWHERE = frozenset({"object.get"})
_Kinds = frozenset[str] | None
"""Types; ``None`` for any."""


def check_operands(name: str, shapes: list[Shape], frame: Frame) -> None:
    """Find operands, and items of them, that the builtin never takes."""
    if name in _CHECKED_ELSEWHERE:
        return
    for shape, (accepted, inner) in zip(shapes, _accepted().get(name, ()), strict=False):
        found = _known(shape)
        if not found:
            continue
        blamed = shape.chosen_by if isinstance(shape, Fits) else None
        blamed = shape.origin if isinstance(shape, Values) else blamed
        if accepted is not None and not found & accepted:
            operand_mismatch(name, _words(found), _words(accepted), blamed, frame)
        elif inner is not None and isinstance(shape, Fits) and found <= {"array", "set"}:
            items = _known(items_of(shape))
            if items and not items & inner:
                operand_mismatch(name, f"items of type {_words(items)}", _words(inner), blamed, frame)


def operands_of(name: str) -> int | None:
    """Return how many operands a builtin takes; with one more, the last one stands for its value."""
    found = _accepted().get(name)
    return None if found is None else len(found)


def _words(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))


def _known(shape: Shape) -> frozenset[str]:
    """Return the types of a shape besides null, which stands for data that isn't there; none if they aren't known."""
    return (kinds(shape) or frozenset()) - {"null"}


@cache
def _accepted() -> Mapping[str, tuple[tuple[_Kinds, _Kinds], ...]]:
    """Return for each builtin which types its operands have, and the items of those that are collections."""
    return {
        builtin["name"]: tuple((_kinds(arg), _inner(arg)) for arg in builtin["decl"].get("args") or ())
        for builtin in default_capabilities()["builtins"]
    }


def _kinds(declared: Mapping[str, Json]) -> _Kinds:
    if declared["type"] != "any":
        return frozenset({declared["type"]})
    found = [_kinds(one) for one in declared.get("of") or ()]
    known = [one for one in found if one is not None]
    return frozenset().union(*known) if found and len(known) == len(found) else None


def _inner(declared: Mapping[str, Json]) -> _Kinds:
    """Return the types of the items of every collection that is accepted."""
    options = declared.get("of") or () if declared["type"] == "any" else (declared,)
    found: set[str] = set()
    for one in options:
        item = (
            one.get("dynamic") if one["type"] == "array" else one.get("of") if one["type"] == "set" else None
        )
        accepted = _kinds(item) if isinstance(item, Mapping) else None
        if accepted is None:
            return None
        found |= accepted
    return frozenset(found) or None
