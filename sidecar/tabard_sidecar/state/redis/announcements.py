"""Waits for new revocations: subscribes to the zone's channel and polls in case a message is lost."""

from __future__ import annotations

import asyncio

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.state.redis import scripts
from tabard_sidecar.state.redis.link import RedisLink
from tabard_sidecar.util.malformed import MALFORMED

_CHECK_SECONDS = 1.0


class Announcements:
    """Waits until the zone has a newer revocation.

    The server publishes the number of every revocation on the zone's channel. A connection may break without notice, so
    the newest number is also read after subscribing and every second.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._channel = f"{link.prefix}revocations"
        # Idle subscriptions, reused so that the next wait needn't connect.
        self._idle: list[PubSub] = []

    async def close(self) -> None:
        """Close every subscription."""
        while self._idle:
            await _drop(self._idle.pop())

    async def newest(self) -> int:
        """Return the number of the zone's newest revocation.

        Raises:
            NoDecision: the server can't be reached.
        """
        return int(await self._link.run(scripts.NEWEST, {}))

    async def wait(self, after: int, *, timeout_seconds: float) -> bool:
        """Wait until there is a revocation above ``after``; return False after the timeout.

        Raises:
            NoDecision: the server can't be reached.
        """
        until = asyncio.get_running_loop().time() + timeout_seconds
        subscription = await self._subscribe()
        try:
            found, healthy = await self._wait(subscription, after, until)
        except BaseException:
            # The connection may be broken or hold half a message, so it can't be reused.
            await _drop(subscription)
            raise
        if healthy:
            self._idle.append(subscription)
        else:
            await _drop(subscription)
        return found

    async def _wait(self, subscription: PubSub, after: int, until: float) -> tuple[bool, bool]:
        """Return whether there is a revocation above ``after``, and whether the subscription still works."""
        loop = asyncio.get_running_loop()
        waited = False
        while await self.newest() <= after:
            left = until - loop.time()
            if left <= 0:
                return False, True
            if await self._next(subscription, min(left, _CHECK_SECONDS)) > after:
                return True, True
            waited = True
        # Found by polling after a wait: its message never came, so the connection may be dead.
        return True, not waited

    async def _next(self, subscription: PubSub, seconds: float) -> int:
        """Return the next published number, or 0 after ``seconds``."""
        try:
            message = await subscription.get_message(ignore_subscribe_messages=True, timeout=seconds)
        except (RedisError, OSError, *MALFORMED) as error:
            raise NoDecision(
                "UNAVAILABLE",
                "state_unavailable",
                f"the state store {self._link.options.place}: the subscription broke ({error}); it will be made again",
            ) from error
        return int(message["data"]) if message is not None else 0

    async def _subscribe(self) -> PubSub:
        if self._idle:
            return self._idle.pop()
        subscription = self._link.client.pubsub()
        try:
            async with asyncio.timeout(self._link.options.timeout_seconds):
                await subscription.subscribe(self._channel)
        except (RedisError, OSError, *MALFORMED) as error:
            await _drop(subscription)
            raise await self._link.failed(error) from error
        return subscription


async def _drop(subscription: PubSub) -> None:
    """Close a subscription with its connection, broken or not."""
    connection = subscription.connection
    if connection is not None:
        await connection.disconnect(nowait=True)
    await subscription.aclose()  # type: ignore[no-untyped-call]
