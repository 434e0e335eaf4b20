"""Finds similar names, for suggestions: the standard library's way, imported with the first mistake."""

from __future__ import annotations

from collections.abc import Iterable


def get_close_matches(name: str, known: Iterable[str], n: int = 3, cutoff: float = 0.6) -> list[str]:
    """Return the names that are most similar, as :func:`difflib.get_close_matches` does.

    Args:
        name: what was written.
        known: what may have been meant.
        n: how many are returned at most.
        cutoff: from 0 to 1, how similar they have to be.
    """
    names = list(known)
    if not names:
        return []
    import difflib  # noqa: PLC0415 - most processes meet no mistake

    return difflib.get_close_matches(name, names, n=n, cutoff=cutoff)
