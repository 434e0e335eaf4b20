"""A bounded cache of verified grants."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache

_V = TypeVar("_V")

_BYTES_PER_CHARACTER = 8
"""A verified grant takes several times the memory of its text: decoded caveats, their checks, the chain."""


class GrantCache(Generic[_V]):
    """Caches the results for the texts that were used last, keyed by the exact text.

    Args:
        max_entries: most texts kept.
        max_bytes: most memory that they may take, estimated from their length.
    """

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        # One measure for both bounds: a short text weighs its share of the entries.
        self._least = max_bytes // max_entries
        self._entries: LRUCache[str, tuple[_V, int]] = LRUCache(max_bytes, getsizeof=lambda entry: entry[1])
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, text: str) -> _V | None:
        """Return the cached value of ``text``, or ``None``."""
        with self._lock:
            try:
                return self._entries[text][0]
            except KeyError:
                return None

    def put(self, text: str, value: _V) -> None:
        """Cache ``value`` and evict the least recently used entries; a value over the bounds isn't kept."""
        size = max(len(text) * _BYTES_PER_CHARACTER, self._least)
        with self._lock:
            self._entries.pop(text, None)
            if size <= self._entries.maxsize:
                self._entries[text] = value, size

    def drop(self, text: str) -> None:
        """Remove ``text``."""
        with self._lock:
            self._entries.pop(text, None)

    def drop_where(self, matches: Callable[[_V], bool]) -> int:
        """Remove every text whose value ``matches``; return the number of removed entries."""
        with self._lock:
            dropped = [text for text, (value, _size) in self._entries.items() if matches(value)]
            for text in dropped:
                del self._entries[text]
        return len(dropped)
