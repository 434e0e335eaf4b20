"""Counts over the arguments of several calls: sums, different values, and calls that stand alone with a value."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import fsum
from typing import Any

from tabard_sidecar.util.lean import dataclass

_FEW = 3
_FIRST = 1


@dataclass(frozen=True, slots=True)
class Total:
    """What the values of one argument come to over several calls of one tool.

    Attributes:
        argument: its name; of a member of an object, the names on the way to it joined by dots.
        calls: how many calls have it.
        different: how many different values there are; of lists, different elements.
        total: the sum of numbers; ``None`` if some value is none.
        least: the smallest number.
        most: the greatest number.
        alone: numbers of the calls that alone have their value, where others share one; from 1.
    """

    argument: str
    calls: int
    different: int
    total: float | None = None
    least: float | None = None
    most: float | None = None
    alone: tuple[int, ...] = ()


def totals(calls: Sequence[Mapping[str, Any]]) -> list[Total]:
    """Return the totals of the arguments of calls of one tool, in the order in which arguments first appear."""
    found: dict[str, list[tuple[int, Any]]] = {}
    for number, arguments in enumerate(calls, _FIRST):
        for name, value in _leaves(arguments, ""):
            found.setdefault(name, []).append((number, value))
    return [_total(name, values) for name, values in found.items()]


def same_in_all(calls: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the arguments that all calls have with the same value, in order."""
    first, *others = calls
    return [
        name
        for name, value in first.items()
        if all(name in other and _key(other[name]) == _key(value) for other in others)
    ]


def _leaves(node: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        path = f"{above}.{name}" if above else name
        if isinstance(value, dict) and value:
            yield from _leaves(value, path)
        else:
            yield path, value


def _total(name: str, values: Sequence[tuple[int, Any]]) -> Total:
    numbers = [value for _, value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    elements = {
        _key(element)
        for _, value in values
        for element in (value if isinstance(value, list) and value else [value])
    }
    shared = Counter(_key(value) for _, value in values)
    # Where every call has another value, none stands out.
    alone = (
        [number for number, value in values if shared[_key(value)] == 1] if max(shared.values()) > 1 else []
    )
    whole = len(numbers) == len(values)
    return Total(
        argument=name,
        calls=len(values),
        different=len(elements),
        total=_sum(numbers) if whole else None,
        least=min(numbers) if whole else None,
        most=max(numbers) if whole else None,
        alone=tuple(alone) if len(alone) <= _FEW else (),
    )


def _sum(numbers: Sequence[float]) -> float:
    return sum(numbers) if all(isinstance(number, int) for number in numbers) else fsum(numbers)


def _key(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value, sort_keys=True, ensure_ascii=True)
