"""Posts an event to a webhook for every new approval. Imported only if a webhook is configured.

Events are signed, hold no secret and never delay a decision: a full queue drops them, and ``tabard approvals list``
still shows the approvals.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import random
from typing import TYPE_CHECKING, Any

import aiohttp

from tabard_sidecar.identity.fetch import FetchError, check_url
from tabard_sidecar.records.redaction import redact
from tabard_sidecar.util.jsontext import encode
from tabard_sidecar.util.secret_files import read_secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tabard_sidecar.approvals.conf import WebhookConfig
    from tabard_sidecar.interfaces import Clock

SIGNATURE_HEADER = "Tabard-Signature"

_WORKERS = 4
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_FAREWELL_SECONDS = 1.0
_ACCEPTED = range(200, 300)
# The receiver rejected the event itself, so a retry can't succeed.
_FINAL = frozenset(range(400, 500)) - {408, 425, 429}

_log = logging.getLogger(__name__)


def signature(secret: bytes, timestamp: int, body: bytes) -> str:
    """Return the header's value: time in seconds since the epoch, and HMAC-SHA256 over ``<time>.<body>``, hex."""
    mac = hmac.new(secret, b"%d." % timestamp + body, hashlib.sha256)
    return f"t={timestamp},v1={mac.hexdigest()}"


class Webhook:
    """Posts events to one URL.

    Args:
        config: the section ``approvals.webhook``, with a URL.
        clock: seconds since the epoch.
        allow_http: accept ``http`` to other hosts than loopback.
        sleep: waits between attempts.

    Raises:
        ValueError: the URL isn't allowed, or the secret can't be used.
    """

    def __init__(
        self,
        config: WebhookConfig,
        clock: Clock,
        *,
        allow_http: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if config.secret_file is None:
            raise ValueError("approvals.webhook.secret_file is required")
        try:
            check_url(config.url, allow_http=allow_http, what="approvals.webhook")
        except FetchError as error:
            raise ValueError(str(error)) from None
        read_secret(config.secret_file)
        self._config = config
        self._secret_file = config.secret_file
        self._clock = clock
        self._sleep = sleep
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(config.queue)
        self._workers: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None
        self.dropped = 0
        """Events that were not delivered: the queue was full, or every attempt failed."""

    async def start(self) -> None:
        """Start posting announced events."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._config.timeout_seconds),
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._workers = [asyncio.create_task(self._work()) for _ in range(_WORKERS)]

    async def close(self) -> None:
        """Deliver queued events for at most one more second, then stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await self._queue.join()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def announce(self, event: Mapping[str, Any]) -> None:
        """Queue an event. Never waits and never fails."""
        try:
            self._queue.put_nowait(encode(redact(dict(event))))
        except asyncio.QueueFull:
            self.dropped += 1
            _log.warning("webhook event dropped", extra={"problem": "too many wait already"})

    async def _work(self) -> None:
        while True:
            body = await self._queue.get()
            try:
                await self._deliver(body)
            except Exception:  # noqa: BLE001 - a defect here mustn't end the worker
                self.dropped += 1
                _log.exception("webhook event dropped")
            finally:
                self._queue.task_done()

    async def _deliver(self, body: bytes) -> None:
        problem = ""
        for attempt in range(self._config.attempts):
            if attempt:
                pause = min(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), _LONGEST_PAUSE_SECONDS)
                await self._sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
            status, problem = await self._post(body)
            if status in _ACCEPTED:
                return
            if status in _FINAL:
                break
        self.dropped += 1
        _log.warning("webhook event dropped", extra={"problem": problem, "url": self._config.url})

    async def _post(self, body: bytes) -> tuple[int, str]:
        """Post once and return the answer's status, 0 if there is none, and the problem."""
        if self._session is None:
            return 0, "the webhook isn't started"
        try:
            # Signed again for each attempt, so that a receiver may refuse old timestamps.
            header = signature(read_secret(self._secret_file)[0], int(self._clock()), body)
            async with self._session.post(
                self._config.url,
                data=body,
                headers={"Content-Type": "application/json", SIGNATURE_HEADER: header},
                allow_redirects=False,
            ) as response:
                return response.status, f"answered with status {response.status}"
        except TimeoutError:
            return 0, f"no answer within {self._config.timeout_seconds:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return 0, type(error).__name__
