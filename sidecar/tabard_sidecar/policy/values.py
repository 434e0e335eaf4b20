"""Defines the type of JSON values, and their equality."""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A value as ``json.loads`` returns it: dict, list, str, int, float, bool or None. Checked where it is used."""
