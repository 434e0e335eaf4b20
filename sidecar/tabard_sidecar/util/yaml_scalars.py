"""Resolves unquoted YAML scalars, and refuses those that readers of YAML 1.1 and of 1.2 read differently.

``NO`` is false to one reader and text to the other, ``1e3`` text or a number, ``010`` eight or ten. Accepted are text,
``null``, ``true``, ``false`` and decimal numbers in a form that means the same in both versions.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

Scalar = None | bool | int | float | str

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,999})")
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,999})\.[0-9]{1,999}(?:[eE][-+][0-9]{1,9})?")

# yaml.org/type/*.html of version 1.1, and chapter 10.3.2 of version 1.2.
_AMBIGUOUS = (
    (
        re.compile(r"y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF"),
        "true or false",
    ),
    (re.compile(r"~"), "null"),
    (re.compile(r"<<|="), ""),
    (
        re.compile(
            r"""[-+]?0[xX][0-9a-fA-F_]+ | [-+]?0[oO][0-7_]+ | [-+]?0[bB][01_]+
            | [-+]?(?=\.?[0-9])[0-9_]*\.?[0-9_]*(?:[eE][-+]?[0-9_]+)?
            | [-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?
            | [-+]?\.(?:inf|Inf|INF) | \.(?:nan|NaN|NAN)""",
            re.VERBOSE,
        ),
        "a decimal number such as 1000 or 0.5",
    ),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9].*)?", re.DOTALL), ""),
)


class AmbiguousError(ValueError):
    """A scalar that means different things to different readers; ``next_step`` says how to write it."""

    def __init__(self, text: str, instead: str) -> None:
        shown = text if len(text) <= 40 else f"{text[:40]}…"  # noqa: PLR2004 - enough to find it
        super().__init__(f"{shown!r} without quotes is read differently by YAML 1.1 and YAML 1.2")
        self.next_step = (
            f"Put it in quotes if it is text, or write {instead}." if instead else "Put it in quotes."
        )


def resolve(text: str) -> Scalar:
    """Return the value of an unquoted scalar.

    Raises:
        AmbiguousError: readers of YAML differ about it, or it has more digits than a number keeps.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        try:
            return exact_float(text)
        except ValueError:
            raise AmbiguousError(text, "it with at most 15 digits") from None
    for pattern, instead in _AMBIGUOUS:
        if pattern.fullmatch(text):
            raise AmbiguousError(text, instead)
    return text


def exact_float(text: str) -> float:
    """Return a decimal fraction as a float.

    Raises:
        ValueError: its nearest float is written with other digits, is infinite or, unlike the number, zero.
    """
    value = float(text)
    if not math.isfinite(value) or Decimal(repr(value)) != Decimal(text):
        raise ValueError(f"{text[:40]} has more digits, or is larger or smaller, than a number keeps")
    return value
