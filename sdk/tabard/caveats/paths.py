"""Walks the arguments of a call along the paths of constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tabard.caveats.facts import Failure, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tabard.caveats.constraints import Constraint
    from tabard.caveats.facts import Work

_WORK_CHARACTERS = 256


def check_constraint(constraint: Constraint, arguments: Mapping[str, Any], work: Work) -> Failure | None:
    """Apply one constraint to every value its path leads to.

    Raises:
        TooMuchWorkError: that would take too long.
    """
    pending: list[tuple[Any, int, str]] = [(arguments, 0, "")]
    segments = constraint.segments
    while pending:
        value, at, where = pending.pop()
        if at == len(segments):
            length = len(value) if isinstance(value, str) else 0
            work.spend(constraint.weight * (1 + length // _WORK_CHARACTERS))
            problem = constraint.check(value)
            if problem is not None:
                return Failure("argument_not_granted", f"argument {quoted(where)} {problem}", where)
        elif segments[at] == "*":
            if not isinstance(value, list):
                return Failure("argument_not_granted", f"argument {quoted(where)} is not an array", where)
            work.spend(len(value))
            pending.extend((item, at + 1, f"{where}[{index}]") for index, item in enumerate(value))
        else:
            name = segments[at]
            path = f"{where}.{name}" if where else name
            if not isinstance(value, (dict, Mapping)):
                return Failure("argument_not_granted", f"argument {quoted(where)} is not an object", where)
            if name not in value:
                return Failure("argument_missing", f"argument {quoted(path)} is missing")
            pending.append((value[name], at + 1, path))
    return None


def unnamed_argument(
    arguments: Mapping[str, Any], constraints: Iterable[Constraint], work: Work
) -> str | None:
    """Return the path of the first argument that none of ``constraints`` names, or ``None``.

    Raises:
        TooMuchWorkError: finding it would take too long.
    """
    return _unnamed(arguments, [item.segments for item in constraints], "", work)


def _unnamed(value: object, paths: list[tuple[str, ...]], where: str, work: Work) -> str | None:
    """Return the first argument under ``value`` that none of ``paths`` leads to; recursion ends with the paths."""
    if not all(paths):
        return None  # a constraint ends here and speaks of all that is below
    if isinstance(value, list | Mapping):
        work.spend(len(value) * (1 + len(paths)))
    if isinstance(value, list):
        below = [path[1:] for path in paths if path[0] == "*"]
        items = [(f"{where}[{index}]", item, below) for index, item in enumerate(value)]
    elif isinstance(value, Mapping):
        items = [
            (f"{where}.{key}" if where else key, item, [path[1:] for path in paths if path[0] == key])
            for key, item in value.items()
        ]
    else:
        return where or "arguments"
    for path, item, remaining in items:
        unknown = path if not remaining else _unnamed(item, remaining, path, work)
        if unknown is not None:
            return unknown
    return None
