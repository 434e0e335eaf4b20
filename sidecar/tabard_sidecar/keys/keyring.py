"""Loads a zone's keys from their directory and reloads them when they change."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import field, replace
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.keys import files, jwk
from tabard_sidecar.keys.model import ROOT, ROOT_BYTES, SIGNING, USES, Key, KeyringError
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tabard_sidecar.interfaces import Clock

DEFAULT_LEAD_SECONDS = 60.0
"""How long before its first use a new key is published: much longer than a sidecar needs to load it."""
DEFAULT_OVERLAP_SECONDS = 24 * 3600.0

_log = logging.getLogger(__name__)

_CHECK_SECONDS = 1.0
_DERIVED_KEYS = 1024


@dataclass(frozen=True, slots=True)
class ExportedKey:
    """A key derived for one audience, to be given to its backend. ``repr`` doesn't show ``secret``."""

    kid: str
    audience: str
    active_from: float
    retire_after: float | None
    secret: bytes = field(repr=False)


class Keyring:
    """Reads the key directory and follows its changes.

    The accessors check the directory and each file at most once a second, with one stat each. A file
    that is refused while the process runs is dropped alone and shows in :attr:`problems`. If the directory can't be
    read, the keys stay usable for ``max_stale_seconds``; after that every accessor raises.

    Args:
        directory: the key directory.
        clock: wall-clock time in seconds, for ``active_from`` and ``retire_after``.
        monotonic: monotonic time in seconds, for the intervals between checks.
        max_stale_seconds: how long keys are used after the directory became unreadable.

    Raises:
        KeyringError: the directory or any file in it is refused.
    """

    def __init__(
        self,
        directory: Path,
        *,
        clock: Clock = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        max_stale_seconds: float = 60.0,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._monotonic = monotonic
        self._stale_after = max_stale_seconds + _CHECK_SECONDS
        self._lock = Lock()
        self._derive = lru_cache(maxsize=_DERIVED_KEYS)(_hkdf)
        self._files: dict[str, tuple[files.Signature, Key]] = {}
        self._keys: Mapping[tuple[str, str], Key] = {}
        self._by_use: Mapping[str, tuple[Key, ...]] = {}
        self._problems: tuple[str, ...] = ()
        self._read_at = self._next_check = monotonic()
        self._read(strict=True)

    @classmethod
    def create_directory(cls, directory: Path, *, clock: Clock = time.time) -> Keyring:
        """Open ``directory``, creating it with mode 0700 if it doesn't exist.

        Raises:
            KeyringError: it can't be created or isn't safe.
        """
        files.create_directory(directory)
        return cls(directory, clock=clock)

    @property
    def directory(self) -> Path:
        """The key directory."""
        return self._directory

    @property
    def problems(self) -> tuple[str, ...]:
        """Current problems of the directory and its files; empty if there are none."""
        return self._problems

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
        if self._problems:
            return f"no key for use {use!r} can be used: {'; '.join(self._problems)}"
        waiting = [key.kid for key in self.list(use) if key.active_from > self._clock()]
        if waiting:
            return f"no key for use {use!r} is active: {waiting[-1]} isn't yet; check the clock and its active_from"
        return f"no key for use {use!r} is active in {self._directory}; run: tabard keys new --use {use}"

    def get(self, kid: str, use: str) -> Key | None:
        """Return the key named ``kid`` if it is accepted now for ``use``, else ``None``."""
        self._reload_if_due()
        key = self._keys.get((kid, use))
        return key if key is not None and key.accepted_at(self._clock()) else None

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

    def create(
        self,
        use: str,
        *,
        algorithm: str = "ES256",
        active_from: float | None = None,
        retire_after: float | None = None,
    ) -> Key:
        """Add a key and write it to the directory.

        Args:
            use: ``"root"`` or ``"signing"``.
            algorithm: for a signing key, ``"ES256"`` or ``"EdDSA"``.
            active_from: when the key becomes active, in seconds since the epoch; now if not given.
            retire_after: when the key is no longer accepted, in seconds since the epoch; never if not given.

        Raises:
            KeyringError: the use or algorithm isn't known, or the directory can't be written.
        """
        with files.locked(self._directory):
            key = self._generate(
                use, algorithm, self._clock() if active_from is None else active_from, retire_after
            )
            files.write(self._directory, key)
        self.refresh()
        return key

    def rotate(
        self,
        use: str,
        overlap_seconds: float = DEFAULT_OVERLAP_SECONDS,
        *,
        lead_seconds: float = DEFAULT_LEAD_SECONDS,
        algorithm: str = "",
    ) -> Key:
        """Add a key and set when the older ones retire.

        The new key is accepted and published at once and becomes active ``lead_seconds`` from now; the others retire
        ``overlap_seconds`` after that. The overlap has to cover the longest grant (use ``root``) or credential.

        Raises:
            KeyringError: a newer key isn't active yet, or the directory can't be written.
        """
        if overlap_seconds < 0 or lead_seconds < 0:
            raise KeyringError("overlap and lead must not be negative")
        with files.locked(self._directory):
            with self._lock:
                self._read(strict=True)
            now = self._clock()
            before = self.list(use)
            waiting = next((key for key in before if key.active_from > now), None)
            if waiting is not None:
                raise KeyringError(f"key {waiting.kid} isn't active yet; rotate again after it is")
            active_from = now + lead_seconds if before else now
            if not algorithm:
                algorithm = (before[0].algorithm if before else "") or "ES256"
            key = self._generate(use, algorithm, active_from, None)
            files.write(self._directory, key)
            end = active_from + overlap_seconds
            for old in before:
                if old.retire_after is None or old.retire_after > end:
                    files.write(self._directory, replace(old, retire_after=end))
        self.refresh()
        return key

    def refresh(self) -> None:
        """Check every file now, for example on a reload signal. Never raises: see :attr:`problems`."""
        with self._lock:
            self._check()

    def _reload_if_due(self) -> None:
        now = self._monotonic()
        stale = now - self._read_at > self._stale_after
        if now < self._next_check and not stale:
            return
        # One thread checks; the others use the current keys, unless these are too old.
        if now >= self._next_check and self._lock.acquire(blocking=stale):
            try:
                self._check()
            finally:
                self._lock.release()
        if stale and now - self._read_at > self._stale_after:
            raise NoDecision(
                "UNAVAILABLE",
                "keys_unavailable",
                f"key directory {self._directory} has been unreadable for too long: {'; '.join(self._problems)}",
            )

    def _check(self) -> None:
        self._next_check = self._monotonic() + _CHECK_SECONDS
        try:
            self._read(strict=False)
        except KeyringError as error:
            self._report((str(error),))

    def _read(self, *, strict: bool) -> None:
        now = self._monotonic()
        files.check_directory(self._directory)
        found: dict[str, tuple[files.Signature, Key]] = {}
        problems: list[str] = []
        for name in files.list_files(self._directory):
            path = self._directory / name
            try:
                signature = files.signature(path)
                known = self._files.get(name)
                found[name] = known if known and known[0] == signature else (signature, files.read(path))
            except KeyringError as error:
                problems.append(str(error))
        if strict and problems:
            raise KeyringError("\n".join(problems))
        self._report(tuple(problems))
        self._read_at, self._next_check = now, now + _CHECK_SECONDS
        if found != self._files:
            self._files = found
            self._replace([key for _, key in found.values()])

    def _report(self, problems: tuple[str, ...]) -> None:
        for problem in problems:
            if problem not in self._problems:
                _log.error("key refused", extra={"problem": problem})
        self._problems = problems

    def _replace(self, keys: Sequence[Key]) -> None:
        newest_first = sorted(keys, key=lambda key: (-key.active_from, key.kid))
        self._keys = {(key.kid, key.use): key for key in keys}
        self._by_use = {use: tuple(key for key in newest_first if key.use == use) for use in USES}
        # Keys derived from removed keys must not stay in memory.
        self._derive.cache_clear()

    @staticmethod
    def _generate(use: str, algorithm: str, active_from: float, retire_after: float | None) -> Key:
        kid = f"{use}-{secrets.token_hex(8)}"
        # Files hold whole milliseconds; rounding down keeps "active from now" true.
        active_from = int(active_from * 1000) / 1000
        if use == ROOT:
            return Key(kid, use, active_from, retire_after, secret=secrets.token_bytes(ROOT_BYTES))
        if use == SIGNING:
            try:
                private = jwk.generate(algorithm)
            except ValueError as error:
                raise KeyringError(str(error)) from None
            return Key(kid, use, active_from, retire_after, private_key=private, algorithm=algorithm)
        raise KeyringError(f"the use of a key must be one of {', '.join(USES)}")


def credential_info(audience: str) -> str:
    """Return the derivation info of the key that makes credential macaroons for ``audience``."""
    return f"credential:{audience}"


def _hkdf(secret: bytes, info: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"tabard/v1/{info}".encode()).derive(secret)


def jwks(keyring: Keyring) -> dict[str, Any]:
    """Return the JWK Set of every signing key that is accepted or will be.

    A new key is published from the moment it is in the keyring, so that backends know it before its ``active_from``;
    a key leaves the set when it retires.
    """
    return {
        "keys": [
            jwk.public_jwk(key.private_key) | {"kid": key.kid, "use": "sig", "alg": key.algorithm}
            for key in keyring.list(SIGNING)
            if key.private_key is not None
        ]
    }
