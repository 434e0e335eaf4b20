"""Constraints on one argument of a tool call."""

from __future__ import annotations

import json
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING

from tabard._lean import dataclass
from tabard.arguments import ArgumentsError, canonical
from tabard.caveats import validation
from tabard.caveats.errors import CaveatError
from tabard.caveats.operators import OPERATORS

if TYPE_CHECKING:
    from tabard.caveats.operators import Check

MAX_SEGMENTS = 16
MAX_OPERAND_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Constraint:
    """A condition on one argument.

    ``path`` names it: object keys joined by dots, where ``*`` stands for every element of an array (an empty array
    passes). Keys that hold a dot, an asterisk or a backslash can't be named. ``operator`` is one of
    :data:`~tabard.caveats.operators.OPERATORS`, ``operand`` is shaped as it demands.

    Raises:
        CaveatError: the path is malformed, the operator unknown, or the operand not shaped as the operator demands.
    """

    path: str
    operator: str
    operand: object = field(compare=False)
    operand_json: bytes = field(init=False, repr=False)
    segments: tuple[str, ...] = field(init=False, repr=False, compare=False)
    check: Check = field(init=False, repr=False, compare=False)
    weight: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        segments = parse_path(self.path)
        operator = OPERATORS.get(self.operator) if isinstance(self.operator, str) else None
        if operator is None:
            known = ", ".join(OPERATORS)
            raise CaveatError(
                f"unknown operator {str(self.operator)[:64]!r}; known are {known}", unknown=True
            )
        try:
            operand_json = canonical(self.operand)
        except ArgumentsError as error:
            raise CaveatError(f"operand of {self.operator} is not JSON: {error}") from None
        if len(operand_json) > MAX_OPERAND_BYTES:
            raise CaveatError(f"operand of {self.operator} is longer than {MAX_OPERAND_BYTES} bytes")
        operand = json.loads(operand_json)
        object.__setattr__(self, "check", operator.compiler(operand))
        object.__setattr__(self, "operand", _frozen(operand))
        object.__setattr__(self, "operand_json", operand_json)
        object.__setattr__(self, "segments", segments)
        # Cost of one check, for the bound on the work per call: alternatives are tried in turn.
        object.__setattr__(self, "weight", 1 + len(operand_json) // 32)

    def operand_value(self) -> object:
        """Return the operand as plain JSON types, a new copy each time."""
        value: object = json.loads(self.operand_json)
        return value

    def as_json(self) -> dict[str, object]:
        """Return the constraint as JSON; :func:`constraints_from_json` reads it back."""
        return {"path": self.path, "operator": self.operator, "operand": self.operand_value()}


def parse_path(path: object) -> tuple[str, ...]:
    """Split an argument's path at its dots.

    Raises:
        CaveatError: it is empty, too long or deep, or holds an empty segment, a backslash or a stray asterisk.
    """
    checked = validation.text(path, "path")
    segments = tuple(checked.split("."))
    if len(segments) > MAX_SEGMENTS:
        raise CaveatError(f"path is deeper than {MAX_SEGMENTS} segments")
    if not all(segments) or segments[0] == "*":
        raise CaveatError("path has an empty segment or begins with '*'")
    # Reserved: a later version may use the backslash as an escape.
    if "\\" in checked or any("*" in segment and segment != "*" for segment in segments):
        raise CaveatError("path holds a backslash, or '*' as part of a name")
    return segments


def constraints_from_json(found: object) -> tuple[Constraint, ...]:
    """Return the constraints that a list of ``{"path", "operator", "operand"}`` describes.

    Raises:
        CaveatError: it isn't such a list.
    """
    if not isinstance(found, list | tuple):
        raise CaveatError("constraints must be a list")
    constraints = []
    for item in found:
        if type(item) is not dict or not item.keys() >= {"path", "operator", "operand"}:
            raise CaveatError("each of constraints must have path, operator and operand")
        if len(item) != 3:  # noqa: PLR2004 - the three above
            raise CaveatError("a constraint has an unknown field", unknown=True)
        constraints.append(Constraint(item["path"], item["operator"], item["operand"]))
    return tuple(constraints)


def _frozen(value: object) -> object:
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    return value
