"""Matches globs: ``*`` matches any run of characters, every other character stands for itself.

There are no classes, no ``?`` and no escapes, so a pattern is a list of literal pieces and matching needs no
backtracking. Pattern and text may both come from an attacker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def compile_glob(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a text matches ``pattern`` as a whole.

    ``*`` also matches nothing, dots, slashes and line breaks. Case and Unicode form matter.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return pattern.__eq__
    last = rest.pop()
    middle = [piece for piece in rest if piece]
    shortest = len(first) + len(last) + sum(map(len, middle))

    def matches(text: str) -> bool:
        if len(text) < shortest or not text.startswith(first) or not text.endswith(last):
            return False
        at, end = len(first), len(text) - len(last)
        # The leftmost place for each piece leaves the most room for those after it.
        for piece in middle:
            found = text.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True

    return matches


def glob_matches(pattern: str, text: str) -> bool:
    """Tell whether ``text`` matches ``pattern``; see :func:`compile_glob`."""
    return compile_glob(pattern)(text)
