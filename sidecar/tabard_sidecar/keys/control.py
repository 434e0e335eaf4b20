"""The zone's keys as a control service gives them: in memory only, and never older than what was held.

Nothing is forgotten because the service is gone: keys count until their own ``retire_after``.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from tabard_sidecar.keys.control_document import decode_zone
from tabard_sidecar.keys.model import KeyringError, to_text
from tabard_sidecar.keys.zone_keys import ZoneKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.keys.control_document import Generation

_log = logging.getLogger(__name__)


def _kids(generation: Generation) -> tuple[str, str]:
    return generation.root.kid, generation.signing.kid


def _nothing() -> None:
    """Do nothing."""


class ControlKeys(ZoneKeys):
    """Holds what a control service sent last.

    Args:
        zone: the sidecar's zone.
        url: the service's, for messages.
        clock: wall-clock time in seconds.
    """

    def __init__(self, zone: str, url: str, *, clock: Clock = time.time) -> None:
        super().__init__(clock=clock)
        self._zone = zone
        self._url = url
        self._held: dict[int, Generation] = {}
        self._oldest = 0
        self._problem = "it hasn't answered since this sidecar started"
        self.version = ""
        self.failing_since: float | None = clock()
        self.on_refresh: Callable[[], None] = _nothing

    @property
    def place(self) -> str:
        """The service, for messages."""
        return f"the control service {self._url}"

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the service's last answer isn't used, and since when; empty if it is."""
        if self.failing_since is None:
            return ()
        since = f"{self.place} gives no keys since {to_text(self.failing_since)}: {self._problem}"
        return (f"{since}; generation {max(self._held)} stays in use" if self._held else since,)

    def refresh(self) -> None:
        """Ask the service now."""
        self.on_refresh()

    def take(self, content: bytes) -> None:
        """Use a document that the service sent.

        Raises:
            KeyringError: it isn't the zone's keys, or older than those that are held; these stay in use.
        """
        document = decode_zone(content, self._zone)
        # Another replica may still have the former master keys: what is withdrawn once isn't accepted again.
        found = {each.number: each for each in document.generations if each.number >= self._oldest}
        newest = max(self._held, default=0)
        if max(found, default=0) < newest:
            sent = document.generations[-1].number
            raise KeyringError(f"it sent generation {sent}, which is older than {newest}")
        for number, former in self._held.items():
            if number in found and _kids(found[number]) != _kids(former):
                raise KeyringError(
                    f"it sent another key of generation {number} than before: its master key was replaced in place, or its "
                    "replicas have different ones; give all of them the same, and restart this sidecar if the new one is right"
                )
        if found.keys() != self._held.keys():
            _log.info("keys received", extra={"zone": self._zone, "generations": sorted(found)})
        self._held, self._oldest = found, min(found)
        self._replace([key for each in found.values() for key in (each.root, each.signing)])
        self.version = document.version
        self.confirmed()

    def confirmed(self) -> None:
        """Note that the service has just said that what is held is right."""
        if self.failing_since is not None:
            _log.info("control service answers", extra={"url": self._url})
        self.failing_since, self._problem = None, ""

    def failed(self, problem: str) -> None:
        """Note why the service's keys can't be had now."""
        if problem != self._problem:
            _log.warning("keys can't be had", extra={"url": self._url, "problem": problem})
        self._problem = problem
        if self.failing_since is None:
            self.failing_since = self._clock()

    def _missing(self, use: str) -> str:
        """Say the same of every use: all keys come together."""
        if not self._held and self.problems:
            return self.problems[0]
        return super()._missing(use)
