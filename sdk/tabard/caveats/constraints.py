"""Constraints on one argument of a tool call.

An operator turns its operand into a check once, when the constraint is made; judging a call only runs the check.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from tabard.arguments import ArgumentsError, canonical
from tabard.caveats import checks
from tabard.caveats.addresses import compile_cidr, compile_path_under, compile_url_host
from tabard.caveats.errors import CaveatError
from tabard.caveats.globs import compile_glob
from tabard.caveats.values import same

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Check = Callable[[object], str | None]
    """Takes an argument's value; returns what is wrong with it, or nothing."""

MAX_SEGMENTS = 16
MAX_OPERAND_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Constraint:
    """A condition on one argument.

    ``path`` names it: object keys joined by dots, where ``*`` stands for every element of an array (an empty array
    passes). Keys that hold a dot, an asterisk or a backslash can't be named. ``operator`` and ``operand`` are one of

    ==============  =============================================================================================
    ``eq``          any JSON value; equal in value and type
    ``one_of``      list of JSON values; equal to one of them
    ``prefix``      string or list of strings; a string that begins with one of them
    ``glob``        string or list; a string that matches one as a whole (``*`` matches any run of characters)
    ``range``       ``{"min": n, "max": n}``, at least one of them, both inclusive; a number
    ``cidr``        network or list of networks; a string that is an address or network within one of them
    ``max_length``  integer; a string of at most so many Unicode characters
    ``path_under``  absolute path or list; see :func:`tabard.caveats.addresses.compile_path_under`
    ``url_host``    host or list; see :func:`tabard.caveats.addresses.compile_url_host`
    ==============  =============================================================================================

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
        compiler = _COMPILERS.get(self.operator) if isinstance(self.operator, str) else None
        if compiler is None:
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
        object.__setattr__(self, "check", compiler(operand))
        object.__setattr__(self, "operand", _frozen(operand))
        object.__setattr__(self, "operand_json", operand_json)
        object.__setattr__(self, "segments", segments)
        # What one check costs, for the bound on the work of judging: lists of alternatives are tried in turn.
        object.__setattr__(self, "weight", 1 + len(operand_json) // 32)

    def operand_value(self) -> object:
        """Return the operand as plain JSON types, a new copy each time."""
        value: object = json.loads(self.operand_json)
        return value


def parse_path(path: object) -> tuple[str, ...]:
    """Split an argument's path at its dots.

    Raises:
        CaveatError: it is empty, too long or deep, or holds an empty segment, a backslash or a stray asterisk.
    """
    checked = checks.text(path, "path")
    segments = tuple(checked.split("."))
    if len(segments) > MAX_SEGMENTS:
        raise CaveatError(f"path is deeper than {MAX_SEGMENTS} segments")
    if not all(segments) or segments[0] == "*":
        raise CaveatError("path has an empty segment or begins with '*'")
    # A backslash may become an escape one day; until then nobody relies on it.
    if "\\" in checked or any("*" in segment and segment != "*" for segment in segments):
        raise CaveatError("path holds a backslash, or '*' as part of a name")
    return segments


def _frozen(value: object) -> object:
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    return value


def _eq(operand: object) -> Check:
    shown = _short(operand)

    def check(value: object) -> str | None:
        return None if same(value, operand) else f"is not equal to {shown}"

    return check


def _one_of(operand: object) -> Check:
    if not isinstance(operand, list) or not operand or len(operand) > checks.MAX_ITEMS:
        raise CaveatError(f"operand of one_of must be a list of 1 to {checks.MAX_ITEMS} values")
    strings = frozenset(item for item in operand if isinstance(item, str))
    others = [item for item in operand if not isinstance(item, str)]
    shown = _short(operand)

    def check(value: object) -> str | None:
        found = value in strings if isinstance(value, str) else any(same(value, item) for item in others)
        return None if found else f"is not one of {shown}"

    return check


def _prefix(operand: str) -> Callable[[str], str | None]:
    return lambda value: None if value.startswith(operand) else f"does not begin with {_short(operand)}"


def _glob(operand: str) -> Callable[[str], str | None]:
    matches = compile_glob(operand)
    return lambda value: None if matches(value) else f"does not match {_short(operand)}"


def _range(operand: object) -> Check:
    if not isinstance(operand, dict) or not operand or not operand.keys() <= {"min", "max"}:
        raise CaveatError('operand of range must be an object with "min", "max" or both')
    low = checks.number(operand["min"], "min of range") if "min" in operand else None
    high = checks.number(operand["max"], "max of range") if "max" in operand else None
    if low is not None and high is not None and low > high:
        raise CaveatError("min of range is greater than its max")

    def check(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return "is not a number"
        if low is not None and value < low:
            return f"is less than {low}"
        if high is not None and value > high:
            return f"is greater than {high}"
        return None

    return check


def _max_length(operand: object) -> Check:
    limit = checks.integer(operand, "operand of max_length")

    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return "is not a string"
        return None if len(value) <= limit else f"is longer than {limit} characters"

    return check


def _any_string(
    name: str, compile_one: Callable[[str], Callable[[str], str | None]]
) -> Callable[[object], Check]:
    """Make the compiler of an operator on strings whose operand is one string or a list of alternatives."""

    def compiler(operand: object) -> Check:
        listed = operand if isinstance(operand, list) else [operand]
        alternatives = checks.texts(listed, f"operand of {name}")
        if not alternatives:
            raise CaveatError(f"operand of {name} must not be an empty list")
        compiled = [compile_one(alternative) for alternative in alternatives]

        def check(value: object) -> str | None:
            if not isinstance(value, str):
                return "is not a string"
            problem: str | None = None
            for one in compiled:
                problem = one(value)
                if problem is None:
                    return None
            return problem if len(compiled) == 1 else f"satisfies none of {_short(listed)}"

        return check

    return compiler


def _short(operand: object, limit: int = 120) -> str:
    """Show an operand in a message, cut where it is long."""
    shown = json.dumps(operand, ensure_ascii=True)
    return shown if len(shown) <= limit else f"{shown[:limit]}…"


_COMPILERS: Mapping[str, Callable[[object], Check]] = MappingProxyType(
    {
        "eq": _eq,
        "one_of": _one_of,
        "prefix": _any_string("prefix", _prefix),
        "glob": _any_string("glob", _glob),
        "range": _range,
        "cidr": _any_string("cidr", compile_cidr),
        "max_length": _max_length,
        "path_under": _any_string("path_under", compile_path_under),
        "url_host": _any_string("url_host", compile_url_host),
    }
)

OPERATORS: tuple[str, ...] = tuple(_COMPILERS)
"""The names of all operators."""
