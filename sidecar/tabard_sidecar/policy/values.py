"""Defines the type of JSON values, and reads whole numbers in them."""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A value as ``json.loads`` returns it: dict, list, str, int, float, bool or None. Checked where it is used."""


def with_integers(value: Json) -> Json:
    """Return ``value`` with every whole number as an ``int``; engines may encode 3 as ``3.0``."""
    if isinstance(value, dict):
        return {name: with_integers(item) for name, item in value.items()}
    if isinstance(value, list):
        return list(map(with_integers, value))
    return int(value) if isinstance(value, float) and value.is_integer() else value
