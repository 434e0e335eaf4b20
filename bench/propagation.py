"""Measures the delay of a revocation between the sidecar that makes it and another, idle one."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tabard_sidecar.revocation import RevocationFeed
from tabard_sidecar.state import Revocation, RevocationKind

if TYPE_CHECKING:
    from tabard_sidecar.state import StateStore

_LAST_SECONDS = 10.0
_KEPT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Propagation:
    """Milliseconds from the call of ``revoke`` until the other sidecar's listeners are called, over all
    rounds."""

    p50_ms: float
    p99_ms: float
    worst_ms: float
    rounds: int


async def propagation(url: str, *, times: int) -> tuple[float, float]:
    """Return p50 and p99 in milliseconds over ``times`` revocations, between two connections to the Redis at ``url``."""
    from tabard_sidecar.state.redis import RedisOptions, RedisStateStore  # noqa: PLC0415 - loads redis

    first, second = (RedisStateStore(RedisOptions(url), zone="propagation") for _ in range(2))
    await first.open()
    await second.open()
    try:
        found = await between(first, second, rounds=times)
    finally:
        await first.close()
        await second.close()
    return found.p50_ms, found.p99_ms


async def between(
    first: StateStore, second: StateStore, *, rounds: int, pause_seconds: float = 0.005
) -> Propagation:
    """Revoke on one connection to a zone's state and wait for it on another, round after round.

    Both stores are open and have separate connections, as in two sidecars. The other side's feed runs as in a
    sidecar; no request is made there, because a request would fetch the revocation at once.

    Args:
        first: where revocations are made.
        second: the store that the other sidecar's feed follows.
        rounds: how many revocations.
        pause_seconds: between two rounds, so that the feed waits for news again.

    Raises:
        TimeoutError: a revocation didn't arrive within ten seconds.
    """
    heard: dict[str, asyncio.Future[float]] = {}

    def listen(entry: Revocation) -> None:
        waiting = heard.get(entry.target)
        if waiting is not None and not waiting.done():
            waiting.set_result(time.perf_counter())

    feed = RevocationFeed(second, clock=time.time, max_stale_seconds=10.0)
    feed.subscribe(listen)
    await feed.start()
    taken = []
    try:
        for number in range(rounds):
            await asyncio.sleep(pause_seconds)
            taken.append(await _round(first, heard, f"spiffe://bench.example/agent-{number}"))
    finally:
        await feed.stop()
    ordered = sorted(taken)
    return Propagation(
        p50_ms=statistics.median(ordered) * 1e3,
        p99_ms=ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))] * 1e3,
        worst_ms=ordered[-1] * 1e3,
        rounds=rounds,
    )


async def _round(store: StateStore, heard: dict[str, asyncio.Future[float]], target: str) -> float:
    waiting = heard[target] = asyncio.get_running_loop().create_future()
    now = time.time()
    began = time.perf_counter()
    await store.revoke(Revocation(RevocationKind.AGENT, target, now, now + _KEPT_SECONDS, ("bench",)))
    async with asyncio.timeout(_LAST_SECONDS):
        arrived = await waiting
    del heard[target]
    return arrived - began
