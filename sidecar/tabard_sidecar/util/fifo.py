"""A dictionary with a bounded number of entries."""

from __future__ import annotations

from typing import TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")


class FifoDict(dict[_K, _V]):
    """A dictionary that drops its oldest entry when an assignment would exceed its limit.

    Reading is a plain dictionary's, in C; cachetools, used elsewhere, reads in Python, and a request reads a dozen times.
    Only assignment (``d[key] = value``) keeps the limit.

    Args:
        limit: most entries kept.
    """

    __slots__ = ("_limit",)

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def __setitem__(self, key: _K, value: _V) -> None:
        """Set an entry. A new one replaces the oldest if the dictionary is full."""
        if len(self) >= self._limit and key not in self:
            del self[next(iter(self))]
        super().__setitem__(key, value)
