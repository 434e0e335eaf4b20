"""Checks for the constructors of caveats, constraints and limits.

They run when a caveat is created and when it is decoded, so that no malformed object exists.
"""

from __future__ import annotations

import math

from tabard.caveats.errors import CaveatError

MAX_TEXT = 512
"""Longest name, glob, scope, audience or path, in characters."""
MAX_ITEMS = 256
"""Most values in one list."""
MAX_INTEGER = 2**53
"""Largest integer that every JSON implementation keeps exact."""


def text(value: object, what: str, *, maximum: int = MAX_TEXT) -> str:
    """Return ``value`` if it is a printable, non-empty string.

    Raises:
        CaveatError: it is something else, too long, or holds control characters or lone surrogates.
    """
    if type(value) is not str or not value:
        raise CaveatError(f"{what} must be a non-empty string")
    if len(value) > maximum:
        raise CaveatError(f"{what} is longer than {maximum} characters")
    if value.isascii():
        if not value.isprintable():
            raise CaveatError(f"{what} holds a control character")
        return value
    if any(char < " " or "\x7f" <= char <= "\x9f" or "\ud800" <= char <= "\udfff" for char in value):
        raise CaveatError(f"{what} holds a control character or a lone surrogate")
    return value


def texts(values: object, what: str) -> tuple[str, ...]:
    """Return ``values`` as a tuple of strings without repetition; it may be empty.

    Raises:
        CaveatError: it isn't a list of valid strings, is too long or repeats one.
    """
    if not isinstance(values, list | tuple):
        raise CaveatError(f"{what} must be a list of strings")
    if len(values) > MAX_ITEMS:
        raise CaveatError(f"{what} holds more than {MAX_ITEMS} values")
    checked = tuple(text(value, f"each of {what}") for value in values)
    if len(set(checked)) != len(checked):
        raise CaveatError(f"{what} repeats a value")
    return checked


def integer(value: object, what: str, *, minimum: int = 0, maximum: int = MAX_INTEGER) -> int:
    """Return ``value`` if it is an integer within bounds; a boolean never is.

    Raises:
        CaveatError: it isn't.
    """
    if type(value) is not int or not minimum <= value <= maximum:
        raise CaveatError(f"{what} must be an integer from {minimum} to {maximum}")
    return value


def number(value: object, what: str) -> float:
    """Return ``value`` if it is a finite number; a boolean never is.

    Raises:
        CaveatError: it isn't.
    """
    if (type(value) is not int and type(value) is not float) or abs(value) > MAX_INTEGER:
        raise CaveatError(f"{what} must be a number within ±2^53")
    if not math.isfinite(value):
        raise CaveatError(f"{what} must be a finite number")
    return value


def boolean(value: object, what: str) -> bool:
    """Return ``value`` if it is a boolean.

    Raises:
        CaveatError: it isn't.
    """
    if type(value) is not bool:
        raise CaveatError(f"{what} must be true or false")
    return value
