"""Tells whether the state store takes writes: from every operation that fails, and between calls from a write of its own."""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.health import Component
from tabard_sidecar.util.disk import require_space

if TYPE_CHECKING:
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.state.store import StateStore

_PROBE_SECONDS = 5.0
# As long as calls fail, a probe that works says little: it may fit where they don't.
_CALM_SECONDS = 2.0
_PROBE_BYTES = 16 * 1024
"""About what a call of a deep chain writes."""
_KEPT_SECONDS = 60.0
_log = logging.getLogger(__name__)


class StateStanding:
    """The state store's health.

    Args:
        component: where it is reported.
        clock: time in seconds since the epoch.
        folder: the folder of the store's file; ``None`` if it is a server.
    """

    def __init__(self, component: Component, clock: Clock, folder: Path | None) -> None:
        self._component = component
        self._clock = clock
        self._folder = folder
        self._key = secrets.token_bytes(32)
        self._broken = False
        self._failed_at = self._probed_at = float("-inf")

    def failed(self, error: NoDecision) -> None:
        """Note that an operation failed, whatever called it."""
        self._failed_at = monotonic()
        self._component.failed(error.message)
        if not self._broken:
            self._broken = True
            _log.error("state store can't be used", extra={"problem": error.message})

    async def look(self, store: StateStore) -> None:
        """Write something if it is time for that: often while the store is broken, else every five seconds."""
        now = monotonic()
        if not self._broken and now < self._probed_at + _PROBE_SECONDS:
            return
        self._probed_at = now
        try:
            if self._folder is not None:
                require_space(self._folder)
            await self._write(store)
        except OSError as error:
            text = f"the state file in {self._folder} can't be written: {error.strerror}"
            self.failed(NoDecision("UNAVAILABLE", "state_unavailable", text))
        except NoDecision as error:
            self.failed(error)
        else:
            self._works()

    async def _write(self, store: StateStore) -> None:
        """Do what an idempotent request does, and forget the last one only afterwards: so it takes space that is free."""
        now, last = self._clock(), self._key
        self._key = secrets.token_bytes(32)
        expires_at = now + _KEPT_SECONDS
        await store.claim_request(self._key, self._key, now=now, expires_at=expires_at)
        await store.complete_request(self._key, os.urandom(_PROBE_BYTES), expires_at=expires_at)
        await store.complete_request(last, b"", expires_at=now)

    def _works(self) -> None:
        if self._broken and monotonic() < self._failed_at + _CALM_SECONDS:
            return
        if self._broken:
            self._broken = False
            _log.warning("state store works again")
        self._component.ok()
