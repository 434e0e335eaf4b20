"""Asks a control service for the zone's keys, at the start and ever after. Imported only if one is configured."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from urllib.parse import quote

from tabard_sidecar.identity.fetch import Fetcher, FetchError
from tabard_sidecar.keys.conf import ControlKeysConfig
from tabard_sidecar.keys.control import ControlKeys
from tabard_sidecar.keys.model import KeyringError

_log = logging.getLogger(__name__)
_UNCHANGED = 304
_FIRST_PAUSE_SECONDS = 1.0
_HINTS = {
    401: "it doesn't accept the token; token_file must hold a token of this pod with the service's audience",
    403: "it gives a pod the keys of its own namespace only: set zone to the namespace's name, and use a token of this pod",
    404: "it has no such zone: zone must be the name of a namespace",
    429: "it has too much to do; it is asked again",
    503: "it can't ask the API server about the token now; it is asked again",
}


class ControlFollower:
    """Keeps a zone's keys in step with its control service.

    Args:
        config: the section ``keys.control``.
        zone: the sidecar's zone.
        keys: given what the service sends.
        on_fetch: called with the result of every request: ok, unchanged or failed.
    """

    def __init__(
        self, config: ControlKeysConfig, zone: str, keys: ControlKeys, on_fetch: Callable[[str], None]
    ) -> None:
        self._config = config
        self._url = f"{config.url}/zones/{quote(zone, safe='')}/keys"
        self._keys = keys
        self._on_fetch = on_fetch
        self._now = asyncio.Event()
        keys.on_refresh = self._now.set

    async def fetch(self) -> bool:
        """Ask once; return whether the service gave an answer that can be used. Never raises: health has what is wrong."""
        keys = self._keys
        # A new one each time: the files may have changed, and a connection is used too rarely to be kept.
        fetcher = Fetcher(
            timeout_seconds=self._config.timeout_seconds,
            ca_file=self._config.ca_file,
            bearer_token_file=self._config.token_file,
            bearer_for=self._url,
        )
        known = {"If-None-Match": f'"{keys.version}"'} if keys.version else {}
        try:
            keys.take(await fetcher.get(self._url, known))
        except FetchError as error:
            if error.status == _UNCHANGED and known:
                keys.confirmed()
                self._on_fetch("unchanged")
                return True
            hint = _HINTS.get(error.status, "")
            keys.failed(f"{error}{': ' if hint else ''}{hint}")
        except KeyringError as error:
            keys.failed(str(error))
        except Exception:  # noqa: BLE001 - a sidecar that no longer follows its keys must not look well
            _log.exception("keys can't be followed")
            keys.failed("its answer can't be used; the log has details")
        else:
            self._on_fetch("ok")
            return True
        self._on_fetch("failed")
        return False

    async def follow(self) -> None:
        """Ask again and again until cancelled: after a failure soon, then ever more rarely."""
        often = self._config.poll_seconds
        pause = _FIRST_PAUSE_SECONDS if self._keys.failing_since else often
        while True:
            # Sidecars that start together or lose the service together don't ask together.
            await self._waited(pause * random.uniform(0.75, 1.0))  # noqa: S311 - no secret
            failing = self._keys.failing_since is not None
            if await self.fetch():
                pause = often
            else:
                pause = min(pause * 2, often) if failing else min(_FIRST_PAUSE_SECONDS, often)

    async def _waited(self, seconds: float) -> None:
        """Wait, or until a reload asks for the keys now."""
        try:
            async with asyncio.timeout(seconds):
                await self._now.wait()
        except TimeoutError:
            return
        finally:
            self._now.clear()
