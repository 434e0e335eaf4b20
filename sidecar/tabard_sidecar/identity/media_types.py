"""The types of tokens."""

from __future__ import annotations


def normal_type(value: str) -> str:
    """Return the media type of a ``typ`` in normal form: lower case, without ``application/``."""
    return value.lower().removeprefix("application/")
