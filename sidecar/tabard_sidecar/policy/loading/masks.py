"""Finds masks of the decision log that name nothing, so that what they are meant to hide is written in clear text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tabard_sidecar.policy.loading.bounds import Fields, Fits, Many, SetValue, Shape, Values
from tabard_sidecar.policy.loading.flow import Flow
from tabard_sidecar.policy.loading.literals import nearest
from tabard_sidecar.policy.loading.program import Clause
from tabard_sidecar.policy.loading.shapes import field_of, kinds
from tabard_sidecar.policy.values import Json
from tabard_sidecar.records.masking import ANY_KEY, MaskError, read_mask, steps_of

_MASK = ("system", "log", "mask")
_MAX_PATHS = 10_000
"""So many paths from data are compared."""


class WrongMask(NamedTuple):
    """A mask that can't be applied to any record. ``path`` is empty if the mask has none."""

    clause: Clause
    path: str
    message: str
    next_step: str


def wrong_masks(flow: Flow) -> Iterator[WrongMask]:
    """Yield the masks of a policy, written out or from its data, whose path no decision record has."""
    for clause in flow.program.clauses.get(_MASK, ()):
        told: set[str] = set()
        for mask in _masks(flow.element(clause)):
            try:
                path = read_mask(mask)[1]
                found = None if path in told else _missing(flow.program.record, path)
            except MaskError as error:
                step = 'Write a path, such as "/input/tool/arguments/iban", or {"op": "remove", "path": …}'
                yield WrongMask(clause, "", str(error), step)
                continue
            told.add(path)
            if found is not None:
                yield WrongMask(clause, path, *found)


def _masks(element: Shape) -> Iterator[Json]:
    """Yield the masks of which the path is known."""
    if isinstance(element, Fields):
        path = element.fields.get("path")
        paths = path.items if isinstance(path, Values) else ()
        yield from ({"op": "remove", "path": path} for path in paths[:_MAX_PATHS])
    elif isinstance(element, Many):
        yield from _masks(element.item)
    elif isinstance(element, Values):
        for item in element.items[:_MAX_PATHS]:
            yield from (
                item.members if isinstance(item, SetValue) else item if isinstance(item, list) else [item]
            )


def _missing(record: Fits, path: str) -> tuple[str, str] | None:
    """Return what is wrong with a path, and what to do; ``None`` if a record may have it."""
    shape: Shape = record
    for step in steps_of(path):
        properties = (
            [schema.get("properties", {}) for schema in shape.schemas] if isinstance(shape, Fits) else []
        )
        names = {name for each in properties for name in each}
        if step == ANY_KEY and step not in names:
            return (
                f"the mask {path!r} names a key {ANY_KEY!r}, which stands for no other key",
                "Write one mask for each key, or a mask on what holds them",
            )
        index = int(step) if kinds(shape) == frozenset({"array"}) and step.isdecimal() else step
        below = field_of(shape, index)
        if below is None:
            return (
                f"the mask {path!r} hides nothing: no record has {step!r} there{nearest(step, names)}",
                "Correct the path; it is that of a decision record, so the decision's input is below /input",
            )
        shape = below
    return None
