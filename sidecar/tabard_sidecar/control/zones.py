"""The zones' documents, made from the master keys as they are now."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from cachetools import LRUCache

from tabard_sidecar.control.derivation import accepted
from tabard_sidecar.control.master import read_folder, retired_at
from tabard_sidecar.keys import KeyringError
from tabard_sidecar.keys.control_document import encode_zone, zone_document

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tabard_sidecar.control.master import MasterKey
    from tabard_sidecar.health import Component
    from tabard_sidecar.interfaces import Clock

_CHECK_SECONDS = 1.0
_MOST_ZONES = 1024
_log = logging.getLogger(__name__)


class Keys(NamedTuple):
    """A zone's keys, ready to be sent.

    Attributes:
        version: changes whenever they do.
        content: the document, with the secrets.
    """

    version: str
    content: bytes


class Zones:
    """Derives zones' keys, and follows the folder of the master keys.

    A folder that can't be used changes nothing: the master keys that were read last stay in use.

    Args:
        folder: the folder of the master keys.
        health: told what is wrong with it.
        clock: wall-clock time in seconds.

    Raises:
        KeyringError: the folder can't be used.
    """

    def __init__(self, folder: Path, health: Component, *, clock: Clock = time.time) -> None:
        self._folder = folder
        self._health = health
        self._clock = clock
        self._kept: LRUCache[tuple[str, frozenset[int]], Keys] = LRUCache(_MOST_ZONES)
        self.masters: tuple[MasterKey, ...] = read_folder(folder)
        health.ok()

    @property
    def newest(self) -> int:
        """The newest generation, whether or not it is in use already."""
        return self.masters[-1].generation

    def keys(self, zone: str) -> Keys:
        """Return a zone's keys.

        Raises:
            ValueError: the name can't be that of a namespace.
        """
        now = self._clock()
        ends = [(master.generation, retired_at(master, self.masters)) for master in self.masters]
        place = zone, frozenset(number for number, end in ends if end is None or now < end)
        found = self._kept.get(place)
        if found is None:
            document = zone_document(zone, accepted(self.masters, zone, now))
            found = self._kept[place] = Keys(document.version, encode_zone(document))
        return found

    async def follow(self) -> None:
        """Follow the folder until cancelled."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            await self.check()

    async def check(self) -> None:
        """Read the folder again."""
        try:
            found = await asyncio.to_thread(read_folder, self._folder)
        except KeyringError as error:
            self._health.degraded(f"the former master keys stay in use: {error}")
            return
        problem = _contradiction(self.masters, found)
        if problem:
            self._health.degraded(f"the former master keys stay in use: {self._folder}: {problem}")
            return
        self._health.ok()
        if found != self.masters:
            self.masters = found
            self._kept.clear()
            _log.info("master keys read", extra={"generations": [key.generation for key in found]})


def _contradiction(held: Sequence[MasterKey], found: Sequence[MasterKey]) -> str:
    """Return why keys can't follow those that are held, which sidecars have and hold on to; empty if they can."""
    if found[-1].generation < held[-1].generation:
        return f"generation {held[-1].generation} is gone; restore it, or add a newer one"
    secrets = {key.generation: key.secret for key in held}
    replaced = [key.generation for key in found if secrets.get(key.generation, key.secret) != key.secret]
    return (
        f"generation {replaced[0]} was replaced in place; restore it and add a newer one" if replaced else ""
    )
