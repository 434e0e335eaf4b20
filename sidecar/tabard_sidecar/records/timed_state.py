"""A state store whose operations are timed."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from tabard_sidecar.records.metrics import Metrics
from tabard_sidecar.state.store import Child, Claim, Standing, StateStore


class TimedStateStore:
    """Passes every call on to ``store`` and observes in ``tabard_state_seconds`` how long it took.

    Implements :class:`tabard_sidecar.state.store.StateStore`; failed operations are observed as well.
    """

    def __init__(self, store: StateStore, metrics: Metrics) -> None:
        self._store = store
        self._claim = metrics.state_seconds.labels("claim_request")
        self._complete = metrics.state_seconds.labels("complete_request")
        self._abandon = metrics.state_seconds.labels("abandon_request")
        self._consume = metrics.state_seconds.labels("consume")
        self._end = metrics.state_seconds.labels("end")
        self._look_up = metrics.state_seconds.labels("look_up")
        self._ended = metrics.state_seconds.labels("ended_at_or_above")
        self._register = metrics.state_seconds.labels("register_children")
        self._expire = metrics.state_seconds.labels("expire")

    async def open(self) -> None:
        """Connect."""
        await self._store.open()

    async def close(self) -> None:
        """Let go of every connection."""
        await self._store.close()

    async def claim_request(self, key: bytes, body: bytes, *, now: float, expires_at: float) -> Claim:
        """Claim the right to decide a request."""
        began = perf_counter()
        try:
            return await self._store.claim_request(key, body, now=now, expires_at=expires_at)
        finally:
            self._claim.observe(perf_counter() - began)

    async def complete_request(self, key: bytes, response: bytes, *, expires_at: float) -> None:
        """Keep the response of a claimed request."""
        began = perf_counter()
        try:
            await self._store.complete_request(key, response, expires_at=expires_at)
        finally:
            self._complete.observe(perf_counter() - began)

    async def abandon_request(self, key: bytes) -> None:
        """Give a claim back."""
        began = perf_counter()
        try:
            await self._store.abandon_request(key)
        finally:
            self._abandon.observe(perf_counter() - began)

    async def consume(self, name: str, *, limit: int, now: float, expires_at: float) -> bool:
        """Count one use of ``name``."""
        began = perf_counter()
        try:
            return await self._store.consume(name, limit=limit, now=now, expires_at=expires_at)
        finally:
            self._consume.observe(perf_counter() - began)

    async def end(self, link_id: str, task_id: str, *, expires_at: float) -> None:
        """End a link and everything below it."""
        began = perf_counter()
        try:
            await self._store.end(link_id, task_id, expires_at=expires_at)
        finally:
            self._end.observe(perf_counter() - began)

    async def look_up(self, link_ids: Sequence[str]) -> Standing:
        """Return how a chain stands."""
        began = perf_counter()
        try:
            return await self._store.look_up(link_ids)
        finally:
            self._look_up.observe(perf_counter() - began)

    async def ended_at_or_above(self, link_id: str) -> bool:
        """Tell whether a link, or one that it descends from, has been ended."""
        began = perf_counter()
        try:
            return await self._store.ended_at_or_above(link_id)
        finally:
            self._ended.observe(perf_counter() - began)

    async def register_children(self, children: Sequence[Child], *, expires_at: float) -> Child | None:
        """Count children that haven't been seen before."""
        began = perf_counter()
        try:
            return await self._store.register_children(children, expires_at=expires_at)
        finally:
            self._register.observe(perf_counter() - began)

    async def expire(self, *, now: float) -> int:
        """Forget what has expired."""
        began = perf_counter()
        try:
            return await self._store.expire(now=now)
        finally:
            self._expire.observe(perf_counter() - began)
