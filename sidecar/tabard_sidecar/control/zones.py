"""The zones' documents, made from the master keys as they are now."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from cachetools import LRUCache

from tabard_sidecar.control.derivation import accepted
from tabard_sidecar.control.master import read_folder, retired_at
from tabard_sidecar.keys import KeyringError
from tabard_sidecar.keys.control_document import ZoneDocument, encode_zone, zone_document
from tabard_sidecar.keys.zone_keys import ZoneKeys, published

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tabard_sidecar.control.master import MasterKey
    from tabard_sidecar.health import Component
    from tabard_sidecar.interfaces import Clock

_CHECK_SECONDS = 1.0
_MOST_ZONES = 1024
_Place = tuple[str, frozenset[int]]
"""A zone, and the generations that are accepted."""
_log = logging.getLogger(__name__)


class Keys(NamedTuple):
    """A zone's keys, ready to be sent.

    Attributes:
        version: changes whenever they do.
        content: the document: with the secrets, or a JWK Set without any.
    """

    version: str
    content: bytes


class DerivedKeys(ZoneKeys):
    """The keys of one zone, in step with the master keys.

    Args:
        zones: derives them.
        zone: name of the zone.
        clock: wall-clock time in seconds.
    """

    def __init__(self, zones: Zones, zone: str, *, clock: Clock = time.time) -> None:
        super().__init__(clock=clock)
        self._zones = zones
        self._zone = zone
        self._from: tuple[MasterKey, ...] = ()
        self._reload_if_due()

    @property
    def place(self) -> str:
        """The zone, for messages."""
        return f"zone {self._zone}"

    def _reload_if_due(self) -> None:
        if self._zones.masters is not self._from:
            self._from = self._zones.masters
            generations = accepted(self._from, self._zone, self._clock())
            self._replace([key for each in generations for key in (each.root, each.signing)])


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
        self._kept: LRUCache[_Place, Keys] = LRUCache(_MOST_ZONES)
        self._public: LRUCache[_Place, Keys] = LRUCache(_MOST_ZONES)
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
        place = self._place(zone)
        found = self._kept.get(place)
        if found is None:
            document = self._document(zone)
            found = self._kept[place] = Keys(document.version, encode_zone(document))
        return found

    def jwks(self, zone: str) -> Keys:
        """Return a zone's public keys, as a JWK Set (RFC 7517): newest first.

        Raises:
            ValueError: the name can't be that of a namespace.
        """
        # Kept apart: names that strangers ask for push out no zone's keys.
        place = self._place(zone)
        found = self._public.get(place)
        if found is None:
            document = self._document(zone)
            keys = published(each.signing for each in reversed(document.generations))
            found = self._public[place] = Keys(document.version, json.dumps(keys).encode())
        return found

    def _place(self, zone: str) -> _Place:
        now = self._clock()
        ends = [(master.generation, retired_at(master, self.masters)) for master in self.masters]
        return zone, frozenset(number for number, end in ends if end is None or now < end)

    def _document(self, zone: str) -> ZoneDocument:
        return zone_document(zone, accepted(self.masters, zone, self._clock()))

    async def follow(self) -> None:
        """Follow the folder until cancelled."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            try:
                await self.check()
            except Exception:  # noqa: BLE001 - a service that no longer follows its keys must not look well
                _log.exception("master keys can't be followed")
                self._health.degraded("the former master keys stay in use; the log has details")

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
            self._public.clear()
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
