"""Reads an issuer's public keys from memory, a file or a URL, and refreshes them without a restart."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from tabard.arguments import parse_json
from tabard.files import read_bounded, stamp
from tabard.trust import open_trusted

from tabard_sidecar.identity import keyset
from tabard_sidecar.identity.jose import TokenError, TokenProblem
from tabard_sidecar.util.files import explain
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tabard.jwk import VerificationKey

    from tabard_sidecar.identity.fetch import Fetcher
    from tabard_sidecar.identity.keyset import JwkSet


_log = logging.getLogger(__name__)
_MAX_SHOWN = 200
_T = TypeVar("_T")


class KeysUnavailable(Exception):
    """An issuer's keys are unavailable; the text says why."""


class KeySource(Protocol):
    """Finds the key that a token names."""

    async def start(self) -> None:
        """Read the keys for the first time. A source that can retry later doesn't fail here.

        Raises:
            KeysUnavailable: the source can't work as configured.
        """
        ...

    async def find(self, kid: str | None, algorithm: str) -> VerificationKey:
        """Return the key.

        Raises:
            TokenError: the issuer has no such key.
            KeysUnavailable: the issuer's keys can't be read.
        """
        ...

    async def close(self) -> None:
        """Close connections and stop tasks."""
        ...


class StaticKeys:
    """Keys that never change while the process runs."""

    def __init__(self, keys: JwkSet) -> None:
        self._keys = keys

    async def start(self) -> None:
        """Do nothing; the keys are in memory."""

    async def find(self, kid: str | None, algorithm: str) -> VerificationKey:
        """Return the key, or raise :class:`TokenError`."""
        return _found(self._keys, kid, algorithm)

    async def close(self) -> None:
        """Do nothing."""


class FileKeys:
    """A JWK Set or PEM public key in a file that is checked at most once a second and read again when it changed.

    If the file can't be read any more, the last keys stay in use for ``max_stale_seconds``.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_stale_seconds: float = 3600.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._max_stale_seconds = max_stale_seconds
        self._monotonic = monotonic
        self._keys: JwkSet | None = None
        self._signature: tuple[int, ...] = ()
        self._failure = ""
        self._good_at = self._next_check = float("-inf")

    async def start(self) -> None:
        """Read the file.

        Raises:
            KeysUnavailable: it can't be read or holds no key.
        """
        self._read()

    async def find(self, kid: str | None, algorithm: str) -> VerificationKey:
        """Return the key, or raise :class:`TokenError` or :class:`KeysUnavailable`."""
        now = self._monotonic()
        if now >= self._next_check:
            self._next_check = now + 1.0
            try:
                self._read()
            except KeysUnavailable as error:
                if str(error) != self._failure:
                    self._failure = str(error)
                    _log.warning("keys can't be read", extra={"problem": self._failure})
                if self._keys is None or now - self._good_at > self._max_stale_seconds:
                    self._keys = None
                    raise
        if self._keys is None:
            raise KeysUnavailable(f"{self._path} can't be read")
        return _found(self._keys, kid, algorithm)

    async def close(self) -> None:
        """Do nothing."""

    def _read(self) -> None:
        try:
            with open_trusted(self._path) as (file, status):
                signature = stamp(status)
                if signature != self._signature or self._keys is None:
                    content = read_bounded(file, keyset.MAX_SET_BYTES, self._path)
                    is_pem = content.lstrip().startswith(b"-----BEGIN")
                    self._keys = keyset.parse_pem(content) if is_pem else keyset.parse(content)
                    self._signature = signature
        except OSError as error:
            raise KeysUnavailable(explain(error)) from None
        except ValueError as error:
            raise KeysUnavailable(f"{self._path}: {error}") from None
        self._good_at, self._failure = self._monotonic(), ""


@dataclass(frozen=True, slots=True)
class KeyLocation:
    """URL of a JWK Set. ``jwks_url`` is empty if the document at ``discovery_url`` names it.

    ``issuer`` is the issuer's identifier, which the discovery document has to repeat.
    """

    issuer: str
    jwks_url: str = ""
    discovery_url: str = ""


@dataclass(frozen=True, slots=True)
class Freshness:
    """Ages of fetched keys, in seconds.

    Keys older than ``refresh_seconds`` are fetched again; keys older than ``max_stale_seconds`` aren't used.
    ``min_refetch_seconds`` is the shortest time between two fetches.
    """

    refresh_seconds: float = 300.0
    min_refetch_seconds: float = 10.0
    max_stale_seconds: float = 3600.0


def _nothing(_result: str) -> None:
    """Ignore the result of a fetch."""


class RemoteKeys:
    """A JWK Set behind a URL, directly or by discovery (OpenID Connect Discovery 1.0, RFC 8414).

    Keys are fetched when first needed and again, in the background, once they are older than ``refresh_seconds``. A
    token with an unknown ``kid`` causes a fetch at most every ``min_refetch_seconds``; concurrent callers share one
    fetch. While fetching fails, the last keys stay in use for ``max_stale_seconds``.

    Args:
        fetcher: fetches the documents.
        location: URL of the keys.
        freshness: ages at which keys are refreshed and dropped.
        on_fetch: called with the result of every fetch, ``"ok"`` or ``"failed"``, and with ``"limited"`` if a fetch was
            needed too soon after the last one.
        monotonic: monotonic time in seconds.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        location: KeyLocation,
        freshness: Freshness,
        *,
        on_fetch: Callable[[str], None] = _nothing,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetcher = fetcher
        self._on_fetch = on_fetch
        self._location = location
        self._freshness = freshness
        self._monotonic = monotonic
        self._keys: JwkSet | None = None
        self._fetched_at = self._tried_at = float("-inf")
        self._failure = ""
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start fetching the keys in the background. An issuer that can't be reached is no error."""
        self._begin()

    async def find(self, kid: str | None, algorithm: str) -> VerificationKey:
        """Return the key, or raise :class:`TokenError` or :class:`KeysUnavailable`."""
        age = self._monotonic() - self._fetched_at
        if age > self._freshness.max_stale_seconds:
            await self._fetch_limited()
        elif age > self._freshness.refresh_seconds:
            self._begin_limited()
        keys = self._usable()
        if keys.find(kid, algorithm) is None:
            await self._fetch_limited()
            keys = self._usable()
        return _found(keys, kid, algorithm)

    async def close(self) -> None:
        """Stop a running fetch."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _usable(self) -> JwkSet:
        if self._keys is None or self._monotonic() - self._fetched_at > self._freshness.max_stale_seconds:
            raise KeysUnavailable(
                f"keys of issuer {self._location.issuer}: {self._failure or 'not fetched yet'}"
            )
        return self._keys

    async def _fetch_limited(self) -> None:
        task = self._begin_limited()
        if task is not None:
            # Shielded, so that a caller that is cancelled doesn't cancel the fetch for the others.
            await asyncio.shield(task)

    def _begin_limited(self) -> asyncio.Task[None] | None:
        running = self._task is not None and not self._task.done()
        if not running and self._monotonic() - self._tried_at < self._freshness.min_refetch_seconds:
            self._on_fetch("limited")
            return None
        return self._begin()

    def _begin(self) -> asyncio.Task[None]:
        if self._task is None or self._task.done():
            self._tried_at = self._monotonic()
            self._task = asyncio.get_running_loop().create_task(self._fetch())
        return self._task

    async def _fetch(self) -> None:
        # Imported here, so that a sidecar without remote issuers doesn't load what fetches.
        from tabard_sidecar.identity.fetch import FetchError  # noqa: PLC0415

        try:
            url = self._location.jwks_url or await self._discover()
            keys = await self._get(url, keyset.parse)
        except (FetchError, ValueError) as error:
            self._failure = str(error)
            self._on_fetch("failed")
            _log.warning(
                "keys can't be fetched", extra={"issuer": self._location.issuer, "problem": self._failure}
            )
            return
        self._keys, self._fetched_at, self._failure = keys, self._monotonic(), ""
        self._on_fetch("ok")

    async def _discover(self) -> str:
        place = self._location.discovery_url
        document = await self._get(place, parse_json)
        found = document.get("issuer") if isinstance(document, dict) else None
        if not isinstance(document, dict) or found != self._location.issuer:
            named = f"{found[:_MAX_SHOWN]!r}" if isinstance(found, str) else "none"
            raise ValueError(
                f"{place} must name the issuer {self._location.issuer!r}, letter by letter; it names {named}"
            )
        url = document.get("jwks_uri")
        if not isinstance(url, str):
            raise ValueError(f"{place} names no jwks_uri")  # noqa: TRY004 - one error type for bad content
        return url

    async def _get(self, url: str, parse: Callable[[bytes], _T]) -> _T:
        """Return the parsed document at a URL. Raises FetchError, or ValueError that names the URL."""
        content = await self._fetcher.get(url)
        try:
            return parse(content)
        except ValueError as error:
            raise ValueError(f"{url}: {error}") from None


def _found(keys: JwkSet, kid: str | None, algorithm: str) -> VerificationKey:
    key = keys.find(kid, algorithm)
    if key is None:
        raise TokenError(TokenProblem.UNKNOWN_KEY, "no key of the issuer matches the token's kid and alg")
    return key
