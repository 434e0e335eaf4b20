"""Public keys by key id, from a URL, a unix socket or a file. An unknown key id causes a reload, at a limited rate."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from jwt.types import Options

from tabard import jwk
from tabard._forked import own_lock
from tabard._lean import dataclass
from tabard.arguments import parse_json
from tabard.fetching import MAX_DOCUMENT_BYTES, UNIX, FetchError, check_url, fetch
from tabard.jwk import MAX_KEYS, VerificationKey
from tabard.trust import read_trusted
from tabard.verify.errors import Rejected

_SHORT_WAIT_SECONDS = 1.0
_JWKS_PATH = "/.well-known/jwks.json"
_ALGORITHMS = {("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}

Load = Callable[[], bytes]


class KeysError(Exception):
    """A key set is unavailable or unusable; the message says why."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """When keys are reloaded, in seconds.

    Attributes:
        max_age: keys older than this are reloaded at the next use.
        min_interval: shortest time between two loads.
        max_stale: keys that couldn't be reloaded for this long are no longer used.
    """

    max_age: float
    min_interval: float
    max_stale: float


URL_FRESHNESS = Freshness(max_age=300.0, min_interval=5.0, max_stale=3600.0)
FILE_FRESHNESS = Freshness(max_age=5.0, min_interval=1.0, max_stale=60.0)


@dataclass(frozen=True, slots=True)
class _Loaded:
    keys: Mapping[str, VerificationKey]
    at: float


class KeySet:
    """The keys of one issuer. Safe between threads: one thread loads them, the others use the loaded ones meanwhile.

    Args:
        load: returns the JWK Set document (RFC 7517 section 5).
        freshness: when it is reloaded.
        clock: monotonic seconds.
    """

    _lock: threading.Lock

    def __init__(self, load: Load, freshness: Freshness, clock: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._freshness = freshness
        self._clock = clock
        own_lock(self)
        self._loaded: _Loaded | None = None
        self._tried_at: float | None = None
        self._problem = "not read yet"

    def get(self, kid: str) -> VerificationKey:
        """Return a key.

        Raises:
            Rejected: the issuer has no such key, or its keys are unavailable.
        """
        self._refresh(kid)
        loaded = self._loaded
        if loaded is None or self._clock() - loaded.at > self._freshness.max_stale:
            raise Rejected("keys_unavailable", self._problem)
        key = loaded.keys.get(kid)
        if key is None:
            raise Rejected("credential_unknown_key", f"no key {kid[:64]!r}")
        return key

    def _refresh(self, kid: str) -> None:
        if not self._due(kid):
            return
        # A thread whose key is loaded doesn't wait for the thread that reloads. For an unknown key id the wait is short
        # if keys are loaded: made-up key ids must not tie up all threads while an issuer doesn't answer.
        loaded = self._loaded
        waits = -1.0 if loaded is None else 0.0 if kid in loaded.keys else _SHORT_WAIT_SECONDS
        if not self._lock.acquire(timeout=waits):
            return
        try:
            if self._due(kid):
                self._read()
        finally:
            self._lock.release()

    def _read(self) -> None:
        try:
            self._loaded = _Loaded(parse_jwks(self._load()), self._clock())
        except KeysError as error:
            self._problem = str(error)
        finally:
            self._tried_at = self._clock()

    def _due(self, kid: str) -> bool:
        now, loaded = self._clock(), self._loaded
        if self._tried_at is not None and now - self._tried_at < self._freshness.min_interval:
            return False
        return loaded is None or kid not in loaded.keys or now - loaded.at > self._freshness.max_age


def key_set(source: str | Path, *, timeout_seconds: float = 5.0) -> KeySet:
    """Return the keys behind a URL, a unix socket (``unix:/path``, a sidecar's ``http.listen``) or in a file.

    Raises:
        ValueError: the URL is none of ``https:``, ``http:`` on this machine, and ``unix:`` with an absolute path.
    """
    if isinstance(source, str) and (source.startswith(UNIX) or "://" in source):
        check_url(source)
        return KeySet(lambda: _fetch(source, timeout_seconds), URL_FRESHNESS)
    path = Path(source)
    return KeySet(lambda: _read(path), FILE_FRESHNESS)


def parse_jwks(document: bytes) -> dict[str, VerificationKey]:
    """Return the usable keys of a JWK Set: ES256 and EdDSA with a key id. Others are left out.

    Raises:
        KeysError: it isn't a JWK Set, holds a private key, or two keys share an id.
    """
    try:
        listed = parse_json(document, max_bytes=MAX_DOCUMENT_BYTES)["keys"]  # type: ignore[index]
    except (ValueError, KeyError, TypeError):
        raise KeysError("not a JWK Set") from None
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise KeysError(f"not a JWK Set of at most {MAX_KEYS} keys")
    keys: dict[str, VerificationKey] = {}
    for entry in listed:
        if not isinstance(entry, dict):
            raise KeysError("not a JWK Set")
        if entry.get("d") is not None or entry.get("k") is not None:
            raise KeysError("the JWK Set holds a secret key; publish public keys only and rotate that one")
        kid, algorithm = entry.get("kid"), _ALGORITHMS.get((str(entry.get("kty")), str(entry.get("crv"))))
        if algorithm is None or not isinstance(kid, str):
            continue
        try:
            key = jwk.read(entry)
        except ValueError as error:
            raise KeysError(f"key {kid[:64]!r}: {error}") from None
        if key is None or not key.fits(algorithm):
            continue
        if kid in keys:
            raise KeysError("two keys share a key id")
        keys[kid] = replace(key, algorithm=algorithm)
    return keys


def _fetch(source: str, timeout_seconds: float) -> bytes:
    unix_socket = Path(source.removeprefix(UNIX)) if source.startswith(UNIX) else None
    url = f"http://localhost{_JWKS_PATH}" if unix_socket else source
    try:
        return fetch(urllib.request.Request(url), timeout_seconds, unix_socket=unix_socket)  # noqa: S310  # checked
    except FetchError as error:
        raise KeysError(str(error)) from None


def _read(path: Path) -> bytes:
    try:
        return read_trusted(path, MAX_DOCUMENT_BYTES)[0]
    except OSError as error:
        raise KeysError(f"{error.filename or path}: {error.strerror}") from None


SIGNATURE_ONLY: Options = {
    "verify_signature": True,
    "verify_aud": False,
    "verify_exp": False,
    "verify_iat": False,
    "verify_iss": False,
    "verify_jti": False,
    "verify_nbf": False,
    "verify_sub": False,
}
"""Claims are read by :mod:`tabard.verify.claims`, the same for every kind and by an injected clock."""
