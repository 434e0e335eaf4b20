"""Defines the type of JSON values, and their equality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A value as ``json.loads`` returns it: dict, list, str, int, float, bool or None. Checked where it is used."""


def _is_integer(value: Json) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


TYPES: dict[str, Callable[[Json], bool]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_integer,
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def same(left: Json, right: Json) -> bool:
    """JSON equality: ``1`` equals ``1.0`` and never ``true``."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def hashable(value: Json) -> Json:
    """Return something hashable that is equal for JSON values that are :func:`same`."""
    if isinstance(value, dict):
        return dict, frozenset((name, hashable(item)) for name, item in value.items())
    if isinstance(value, list):
        return list, tuple(map(hashable, value))
    return (bool, value) if isinstance(value, bool) else value
