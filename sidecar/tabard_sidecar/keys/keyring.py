"""Loads a zone's keys from their directory and reloads them when they change."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.keys import files, jwk
from tabard_sidecar.keys.model import ROOT, ROOT_BYTES, SIGNING, USES, Key, KeyringError
from tabard_sidecar.keys.zone_keys import ZoneKeys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tabard_sidecar.interfaces import Clock

DEFAULT_LEAD_SECONDS = 60.0
"""How long before its first use a new key is published: much longer than a sidecar needs to load it."""
DEFAULT_OVERLAP_SECONDS = 24 * 3600.0

_log = logging.getLogger(__name__)

_CHECK_SECONDS = 1.0


class Keyring(ZoneKeys):
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
        super().__init__(clock=clock)
        self._directory = directory
        self._monotonic = monotonic
        self._stale_after = max_stale_seconds + _CHECK_SECONDS
        self._lock = Lock()
        self._files: dict[str, tuple[files.Signature, Key]] = {}
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
    def place(self) -> str:
        """The key directory, for messages."""
        return str(self._directory)

    @property
    def problems(self) -> tuple[str, ...]:
        """Current problems of the directory and its files; empty if there are none."""
        return self._problems

    def _cure(self, use: str) -> str:
        return f"; run: tabard keys new --use {use}"

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
