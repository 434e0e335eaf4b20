"""Paces work that costs much before it is known who asks for it, as the handshake of TLS does: a signature."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from time import monotonic

_PEERS = 1024


class _Bucket:
    """Gives one turn each ``seconds``, and ``burst`` at once after a quiet time."""

    __slots__ = ("_burst", "_next", "_seconds")

    def __init__(self, rate: float, burst: int) -> None:
        self._seconds = 1 / rate
        self._burst = burst * self._seconds
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Return the seconds until the next turn."""
        return max(0.0, self._next - self._burst + self._seconds - now)

    def take(self, now: float) -> None:
        self._next = max(self._next, now) + self._seconds


class Pace:
    """Bounds turns per second, of each unknown peer and of all unknown peers together.

    A peer that has proven who it is isn't slowed down by the others. It is remembered by its address.

    Args:
        each: turns per second of one unknown peer, and at once.
        all_together: turns per second of all unknown peers, and at once.
        known: turns per second of one known peer, and at once.
        patience: longest wait in seconds; a peer that had to wait longer is refused.
    """

    def __init__(self, *, each: int, all_together: int, known: int, patience: float) -> None:
        self._each = each
        self._known_rate = known
        self._patience = patience
        self._all = _Bucket(all_together, all_together)
        self._unknown: OrderedDict[str, _Bucket] = OrderedDict()
        self._known: OrderedDict[str, _Bucket] = OrderedDict()

    def know(self, peer: str) -> None:
        """Note that a peer has proven who it is."""
        if peer not in self._known:
            self._known[peer] = _Bucket(self._known_rate, self._known_rate)
        self._known.move_to_end(peer)
        _trim(self._known)

    async def turn(self, peer: str) -> bool:
        """Wait for the peer's turn. Return False, at once, if it would have to wait too long."""
        now = monotonic()
        buckets = self._buckets(peer)
        wait = max(bucket.wait(now) for bucket in buckets)
        if wait > self._patience:
            return False
        for bucket in buckets:
            bucket.take(now)
        if wait:
            await asyncio.sleep(wait)
        return True

    def _buckets(self, peer: str) -> tuple[_Bucket, ...]:
        known = self._known.get(peer)
        if known is not None:
            return (known,)
        own = self._unknown.get(peer)
        if own is None:
            own = self._unknown[peer] = _Bucket(self._each, self._each)
            _trim(self._unknown)
        return own, self._all


def _trim(peers: OrderedDict[str, _Bucket]) -> None:
    while len(peers) > _PEERS:
        peers.popitem(last=False)
