"""A bounded memory of verified grants."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

_V = TypeVar("_V")

_BYTES_PER_CHARACTER = 8
"""A verified grant takes several times the memory of its text: decoded caveats, their checks, the chain."""


class GrantCache(Generic[_V]):
    """Keeps what was made of the texts used last, keyed by the exact text.

    Args:
        max_entries: most texts kept.
        max_bytes: most memory that they may take, estimated from their length.
    """

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, _V] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, text: str) -> _V | None:
        """Return what is kept for ``text``."""
        with self._lock:
            value = self._entries.get(text)
            if value is not None:
                self._entries.move_to_end(text)
            return value

    def put(self, text: str, value: _V) -> None:
        """Keep ``value`` and drop what was used longest ago if there is too much."""
        size = len(text) * _BYTES_PER_CHARACTER
        with self._lock:
            self._forget(text)
            self._entries[text] = value
            self._bytes += size
            while self._entries and (len(self._entries) > self._max_entries or self._bytes > self._max_bytes):
                oldest = next(iter(self._entries))
                self._forget(oldest)

    def drop(self, text: str) -> None:
        """Forget ``text``."""
        with self._lock:
            self._forget(text)

    def drop_where(self, matches: Callable[[_V], bool]) -> int:
        """Forget every text whose value ``matches``; return how many."""
        with self._lock:
            dropped = [text for text, value in self._entries.items() if matches(value)]
            for text in dropped:
                self._forget(text)
        return len(dropped)

    def _forget(self, text: str) -> None:
        if self._entries.pop(text, None) is not None:
            self._bytes -= len(text) * _BYTES_PER_CHARACTER
