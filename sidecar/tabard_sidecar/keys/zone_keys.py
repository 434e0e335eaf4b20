"""The keys of a zone that a process holds: which are accepted, which makes new ones, and what is derived from them."""

from __future__ import annotations

import time
from dataclasses import field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.keys import jwk
from tabard_sidecar.keys.model import ROOT, SIGNING, USES, Key
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tabard_sidecar.interfaces import Clock

_DERIVED_KEYS = 1024


@dataclass(frozen=True, slots=True)
class ExportedKey:
    """A key derived for one audience, to be given to its backend. ``repr`` doesn't show ``secret``."""

    kid: str
    audience: str
    active_from: float
    retire_after: float | None
    secret: bytes = field(repr=False)


class ZoneKeys:
    """The zone's keys, wherever they come from: a source replaces them while the process runs.

    Args:
        clock: wall-clock time in seconds, for ``active_from`` and ``retire_after``.
    """

    def __init__(self, *, clock: Clock = time.time) -> None:
        self._clock = clock
        self._derive = lru_cache(maxsize=_DERIVED_KEYS)(_hkdf)
        self._keys: Mapping[tuple[str, str], Key] = {}
        self._by_use: Mapping[str, tuple[Key, ...]] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        """Current problems of the keys' source; empty if there are none."""
        return ()

    @property
    def place(self) -> str:
        """Where the keys come from, for messages."""
        return "memory"

    def refresh(self) -> None:
        """Look for changes now, for example on a reload signal. Never raises: see :attr:`problems`."""

    def _reload_if_due(self) -> None:
        """Look for changes, if the source is looked at when its keys are used.

        Raises:
            NoDecision: the keys that are held are too old.
        """

    def active(self, use: str) -> Key:
        """Return the key for new grants or credentials: the one that became active last.

        Raises:
            NoDecision: no key of this use is active.
        """
        self._reload_if_due()
        now = self._clock()
        for key in self._by_use.get(use, ()):
            if key.active_at(now):
                return key
        raise NoDecision("UNAVAILABLE", "keys_unavailable", self._missing(use))

    def _missing(self, use: str) -> str:
        """Return why no key is active, with the cure: a key that is refused is mended, not replaced."""
        if self.problems:
            return f"no key for use {use!r} can be used: {'; '.join(self.problems)}"
        waiting = [key.kid for key in self.list(use) if key.active_from > self._clock()]
        if waiting:
            return f"no key for use {use!r} is active: {waiting[-1]} isn't yet; check the clock and its active_from"
        return f"no key for use {use!r} is active in {self.place}{self._cure(use)}"

    def _cure(self, use: str) -> str:
        """Return how a missing key is made, after a semicolon; empty if nothing is to be done here."""
        del use
        return ""

    def get(self, kid: str, use: str) -> Key | None:
        """Return the key named ``kid`` if it is accepted now for ``use``, else ``None``."""
        self._reload_if_due()
        key = self._keys.get((kid, use))
        return key if key is not None and key.accepted_at(self._clock()) else None

    def find(self, kid: str, use: str) -> Key | None:
        """Return the key as :meth:`get` does; ``None`` means that the zone has none of that name.

        Raises:
            NoDecision: it isn't held, and may be the zone's all the same, because the keys' source has problems.
        """
        key = self.get(kid, use)
        if key is None and (kid, use) not in self._keys and self.problems:
            problems = "; ".join(self.problems)
            message = f"key {kid[:64]!a} isn't held, and may be the zone's: {problems}"
            raise NoDecision("UNAVAILABLE", "keys_unavailable", message)
        return key

    def list(self, use: str) -> tuple[Key, ...]:
        """Return the keys accepted now for ``use``, newest first, including those that aren't active yet."""
        self._reload_if_due()
        now = self._clock()
        return tuple(key for key in self._by_use.get(use, ()) if key.accepted_at(now))

    def derive(self, key: Key, info: str) -> bytes:
        """Derive 32 bytes from a root key with HKDF-SHA256 (RFC 5869). Results are cached.

        Raises:
            ValueError: ``key`` isn't a root key.
        """
        if key.use != ROOT:
            raise ValueError("keys can be derived from root keys only")
        return self._derive(key.secret, info)

    def export(self, audience: str) -> tuple[ExportedKey, ...]:
        """Return the macaroon keys of one audience, for its backend: one per root key that is accepted now.

        With them, credential macaroons for this audience can be verified and also minted.
        """
        return tuple(
            ExportedKey(
                key.kid,
                audience,
                key.active_from,
                key.retire_after,
                self.derive(key, credential_info(audience)),
            )
            for key in self.list(ROOT)
        )

    def _replace(self, keys: Sequence[Key]) -> None:
        newest_first = sorted(keys, key=lambda key: (-key.active_from, key.kid))
        self._keys = {(key.kid, key.use): key for key in keys}
        self._by_use = {use: tuple(key for key in newest_first if key.use == use) for use in USES}
        # Keys derived from removed keys must not stay in memory.
        self._derive.cache_clear()


def credential_info(audience: str) -> str:
    """Return the derivation info of the key that makes credential macaroons for ``audience``."""
    return f"credential:{audience}"


def _hkdf(secret: bytes, info: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"tabard/v1/{info}".encode()).derive(secret)


def jwks(keys: ZoneKeys) -> dict[str, Any]:
    """Return the JWK Set of every signing key that is accepted or will be.

    A new key is published from the moment it is in the zone's keys, so that backends know it before its ``active_from``;
    a key leaves the set when it retires.
    """
    return published(keys.list(SIGNING))


def published(keys: Iterable[Key]) -> dict[str, Any]:
    """Return the JWK Set of signing keys: public parts only."""
    return {
        "keys": [
            jwk.public_jwk(key.private_key) | {"kid": key.kid, "use": "sig", "alg": key.algorithm}
            for key in keys
            if key.private_key is not None
        ]
    }
