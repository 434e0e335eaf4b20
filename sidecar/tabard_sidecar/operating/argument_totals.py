"""Counts over the arguments of several calls: sums, different values, and calls that stand alone with a value."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import fsum
from typing import Any

from tabard_sidecar.util.lean import dataclass

MOST_ARGUMENTS = 100
"""Most arguments that are counted. Beside many more, a person sees no count at all."""
MOST_NAMES = 8
"""Most names on the way to an argument; what lies deeper is compared as one value."""
MOST_NAME_CHARACTERS = 200
"""Longest name of an argument, with the way to it; the rest is cut off."""

_FIRST = 1
_PLAIN = re.compile(r"[^.\"\\…]+")
_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """What the values of one argument come to over several calls of one tool.

    Attributes:
        argument: its name; of a member of an object, the names on the way to it joined by dots. A name that isn't clear
            without is in quotation marks.
        calls: how many calls have it.
        different: how many different values there are; of lists, different elements.
        total: the sum of numbers; ``None`` if some value is none, or the sum is too large for a number.
        least: the smallest number; ``None`` if some value is none.
        most: the greatest number.
        alone: numbers of the calls that alone have their value, where others share one or haven't the argument; from 1.
    """

    argument: str
    calls: int
    different: int
    total: float | None = None
    least: float | None = None
    most: float | None = None
    alone: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of arguments, and how many further arguments aren't counted."""

    arguments: tuple[Total, ...]
    left_out: int


def totals(calls: Sequence[Mapping[str, Any]]) -> Totals:
    """Return the totals of the arguments of calls of one tool, in the order in which arguments first appear."""
    found: dict[_Path, list[tuple[int, Any]]] = {}
    for number, arguments in enumerate(calls, _FIRST):
        for path, value in _leaves(arguments, ()):
            found.setdefault(path, []).append((number, value))
    counted = islice(found.items(), MOST_ARGUMENTS)
    return Totals(
        tuple(_total(_name(path), values, len(calls)) for path, values in counted),
        max(0, len(found) - MOST_ARGUMENTS),
    )


def same_in_all(calls: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the arguments that all calls have with the same value, in order."""
    first, *others = calls
    return [
        name
        for name, value in first.items()
        if all(name in other and _key(other[name]) == _key(value) for other in others)
    ]


def _leaves(node: Mapping[str, Any], above: _Path) -> Iterator[tuple[_Path, Any]]:
    for name, value in node.items():
        path = (*above, name)
        if isinstance(value, dict) and value and len(path) < MOST_NAMES:
            yield from _leaves(value, path)
        else:
            yield path, value


def _name(path: _Path) -> str:
    """Return the text for a path; different paths have different texts, unless they are cut."""
    name = ".".join(part if _PLAIN.fullmatch(part) else json.dumps(part, ensure_ascii=False) for part in path)
    return name if len(name) <= MOST_NAME_CHARACTERS else f"{name[:MOST_NAME_CHARACTERS]}…"


def _total(name: str, values: Sequence[tuple[int, Any]], calls: int) -> Total:
    numbers = [value for _, value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    elements = {
        _key(element)
        for _, value in values
        for element in (value if isinstance(value, list) and value else [value])
    }
    keys = [(number, _key(value)) for number, value in values]
    shared = Counter(key for _, key in keys)
    # Where every call has another value, none stands out.
    stands_out = max(shared.values()) > 1 or len(values) < calls
    whole = len(numbers) == len(values)
    return Total(
        argument=name,
        calls=len(values),
        different=len(elements),
        total=_sum(numbers) if whole else None,
        least=min(numbers) if whole else None,
        most=max(numbers) if whole else None,
        alone=tuple(number for number, key in keys if shared[key] == 1) if stands_out else (),
    )


def _sum(numbers: Sequence[float]) -> float | None:
    if all(isinstance(number, int) for number in numbers):
        return sum(numbers)
    try:
        return fsum(numbers)
    except OverflowError:
        return None


def _key(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value, sort_keys=True, ensure_ascii=True)
