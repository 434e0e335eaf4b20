"""JSON values as they are compared: types matter, key order doesn't."""

from __future__ import annotations

from collections.abc import Mapping


def same(left: object, right: object) -> bool:
    """Tell whether two JSON values are equal.

    ``true`` never equals ``1``, ``"10"`` never equals ``10``, ``null`` equals only itself; ``1`` and ``1.0`` are the
    same number. Strings are compared character by character, without Unicode normalisation.
    """
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    return left is None and right is None
