"""Operators of constraints.

An operator compiles its operand once, when the constraint is created; checking a call only runs the compiled
check.
"""

from __future__ import annotations

import json
import math
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from tabard.caveats import validation
from tabard.caveats.addresses import compile_cidr, compile_path_under, compile_url_host
from tabard.caveats.errors import CaveatError
from tabard.caveats.globs import compile_glob
from tabard.caveats.values import same

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Check = Callable[[object], str | None]
    """Takes an argument's value; returns its problem, or ``None``."""


class Operator(NamedTuple):
    """One operator.

    ``operand`` and ``value`` say in docs/reference/caveats.md what the operand is and what the argument's value has to
    be. ``compiler`` makes the check and raises :class:`~tabard.caveats.errors.CaveatError` for an operand that isn't
    shaped as the operator demands.
    """

    operand: str
    value: str
    compiler: Callable[[object], Check]


def _eq(operand: object) -> Check:
    shown = _short(operand)

    def check(value: object) -> str | None:
        return None if same(value, operand) else f"is not equal to {shown}"

    return check


def _one_of(operand: object) -> Check:
    if not isinstance(operand, list) or not operand or len(operand) > validation.MAX_ITEMS:
        raise CaveatError(f"operand of one_of must be a list of 1 to {validation.MAX_ITEMS} values")
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
    low = validation.number(operand["min"], "min of range") if "min" in operand else None
    high = validation.number(operand["max"], "max of range") if "max" in operand else None
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
    limit = validation.integer(operand, "operand of max_length")

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
        alternatives = validation.texts(listed, f"operand of {name}")
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


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "eq": Operator("any JSON value", "equal to it", _eq),
        "one_of": Operator("list of JSON values", "equal to one of them", _one_of),
        "prefix": Operator(
            "string or list", "a string that begins with one of them", _any_string("prefix", _prefix)
        ),
        "glob": Operator(
            "string or list", "a string that one of them matches as a whole", _any_string("glob", _glob)
        ),
        "range": Operator(
            '`{"min": n, "max": n}`, one may be absent', "a number within, both ends included", _range
        ),
        "cidr": Operator(
            "network or list",
            "a string with an IP address, or a network in CIDR form, within one of them",
            _any_string("cidr", compile_cidr),
        ),
        "max_length": Operator(
            "integer", "a string of at most this number of Unicode characters", _max_length
        ),
        "path_under": Operator(
            "absolute path or list",
            "a string with an absolute path that is one of them or lies under it",
            _any_string("path_under", compile_path_under),
        ),
        "url_host": Operator(
            "`host`, `*.domain`, with `:port`, or with `http://` in front; or a list",
            "a string with an https URL of that host",
            _any_string("url_host", compile_url_host),
        ),
    }
)
"""Every operator by name."""
