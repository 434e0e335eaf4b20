"""Credentials of kind ``macaroon`` (docs/reference/credentials.md)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tabard import base64url, credential_caveats, macaroon
from tabard._forked import own_lock
from tabard._lean import dataclass
from tabard.arguments import ArgumentsError, parse_json
from tabard.credential_caveats import CredentialCaveat, CredentialCaveatError
from tabard.fetching import MAX_DOCUMENT_BYTES
from tabard.trust import read_trusted
from tabard.verify.errors import Rejected

_RECHECK_SECONDS = 5.0
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class AudienceKey:
    """A key of this audience; ``expires_at`` in seconds since the epoch, if it has an end."""

    key: bytes
    expires_at: float | None


class AudienceKeys:
    """The file that ``tabard keys export --audience`` writes, read again when it changes.

    Raises:
        ValueError: the file can't be used; the message says why.
    """

    _lock: threading.Lock

    def __init__(self, path: Path, audience: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._audience = audience
        self._clock = clock
        own_lock(self)
        self._document: bytes | None = None
        self._keys: Mapping[str, AudienceKey] = {}
        self._load()
        self._check_at = clock() + _RECHECK_SECONDS

    def get(self, kid: str, now: float) -> bytes:
        """Return a key that is accepted at ``now``.

        Raises:
            Rejected: there is none, or the file has become unusable.
        """
        with self._lock:
            if self._clock() >= self._check_at:
                self._check_at = self._clock() + _RECHECK_SECONDS
                try:
                    self._load()
                except ValueError as error:
                    self._keys, self._document = {}, None
                    raise Rejected("keys_unavailable", str(error)) from None
            key = self._keys.get(kid)
        if key is None or (key.expires_at is not None and now >= key.expires_at):
            raise Rejected("credential_unknown_key", f"no key {kid[:64]!r} for this audience")
        return key.key

    def _load(self) -> None:
        try:
            document = read_trusted(self._path, MAX_DOCUMENT_BYTES, private=True)[0]
        except OSError as error:
            message = f"{error.filename or self._path}: {error.strerror}"
            raise ValueError(message) from None
        if document != self._document:
            self._keys = parse_audience_keys(document, self._audience)
            self._document = document


def parse_audience_keys(document: bytes, audience: str) -> dict[str, AudienceKey]:
    """Return the keys in an exported document by key id.

    Raises:
        ValueError: it isn't one, or is another audience's.
    """
    try:
        exported: Any = parse_json(document, max_bytes=MAX_DOCUMENT_BYTES)
        if exported["audience"] != audience:
            message = f"the exported keys are for the audience {exported['audience']!r}, not {audience!r}"
            raise ValueError(message)
        keys = {str(entry["kid"]): _key(entry) for entry in exported["keys"]}
        if len(keys) != len(exported["keys"]):
            message = "two keys share a key id"
            raise ValueError(message)
    except (KeyError, TypeError, AttributeError, ArgumentsError):
        message = "not what `tabard keys export --audience` writes"
        raise ValueError(message) from None
    return keys


def read_macaroon(
    token: str, keys: AudienceKeys, now: float
) -> tuple[Mapping[str, Any], list[CredentialCaveat]]:
    """Return the claims and the caveats of a macaroon whose signature holds; none of them is checked yet.

    Raises:
        Rejected: it is malformed, forged, a grant, of a key that isn't known, or holds a caveat that isn't one for
            credentials.
    """
    try:
        identifier = json.loads(macaroon.parse(token).identifier)
        version, kind, kid = identifier["version"], identifier["type"], identifier["kid"]
        claims = identifier.get("claims")
    except (macaroon.MacaroonError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Rejected("credential_malformed", type(error).__name__) from None
    if kind != "credential":
        detail = (
            "a grant was sent: agents must never give a grant to a backend"
            if kind == "grant"
            else "unknown type"
        )
        raise Rejected("credential_type", detail)
    if version != 1 or not isinstance(kid, str) or not isinstance(claims, dict):
        raise Rejected("credential_malformed", "unknown version or shape")
    try:
        verified = macaroon.verify(token, keys.get(kid, now))
    except macaroon.MacaroonError as error:
        raise Rejected("credential_signature", str(error)) from None
    try:
        return claims, credential_caveats.read(step.caveat for step in verified.steps)
    except CredentialCaveatError as error:
        raise Rejected("credential_caveat", str(error)) from None


def _key(entry: Mapping[str, Any]) -> AudienceKey:
    try:
        key = base64url.decode(entry["k"])
    except ValueError:
        key = b""
    if entry["kty"] != "oct" or len(key) != _KEY_BYTES:
        message = f"an exported key is no {_KEY_BYTES}-byte secret"
        raise ValueError(message)
    expires_at = entry.get("exp")
    return AudienceKey(key, None if expires_at is None else float(expires_at))
