"""Finds operands of a type that a builtin never takes: such a call has no value, whatever the input is."""

from __future__ import annotations

from tabard_sidecar.policy.loading.bounds import Fits, Shape, Values
from tabard_sidecar.policy.loading.builtins import builtin_operands
from tabard_sidecar.policy.loading.finding import Frame, operand_mismatch
from tabard_sidecar.policy.loading.shapes import items_of, kinds

_CHECKED_ELSEWHERE = frozenset({"object.get"})


def check_operands(name: str, shapes: list[Shape], frame: Frame) -> None:
    """Find operands, and items of them, that the builtin never takes."""
    if name in _CHECKED_ELSEWHERE:
        return
    for shape, (accepted, inner) in zip(shapes, builtin_operands().get(name, ()), strict=False):
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
    found = builtin_operands().get(name)
    return None if found is None else len(found)


def _words(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))


def _known(shape: Shape) -> frozenset[str]:
    """Return the types of a shape besides null, which stands for data that isn't there; none if they aren't known."""
    return (kinds(shape) or frozenset()) - {"null"}
