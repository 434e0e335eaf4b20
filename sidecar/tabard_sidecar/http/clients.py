"""Authenticates introspection clients by keys in files."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from tabard.files import stamp

from tabard_sidecar.http.conf import IntrospectionClient
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.secret_files import SecretFileError, read_secret

_RECHECK_SECONDS = 5.0


class ClientKeyError(Exception):
    """A client's key file can't be used; the message says which and why."""


@dataclass(slots=True)
class _Entry:
    client: IntrospectionClient
    digest: bytes
    seen: tuple[int, ...]


class Clients:
    """Authenticates introspection clients by key.

    Key files are read at the start and again when they change, at most every five seconds. If a file can't be used any
    more, its client is refused.

    Raises:
        ClientKeyError: a key file is missing, too short, or readable by other users.
    """

    def __init__(self, clients: Sequence[IntrospectionClient]) -> None:
        self._entries = [_Entry(client, *_read_key(client.key_file)) for client in clients]
        self._check_at = time.monotonic() + _RECHECK_SECONDS

    def authenticate(self, authorization: str) -> IntrospectionClient | None:
        """Return the client that an ``Authorization`` header belongs to.

        Accepts ``Bearer <key>`` (RFC 6750, section 2.1) or ``Basic`` with id and key (RFC 7617). Compares every key, in
        constant time, so that the time of the answer doesn't reveal anything about keys.
        """
        self._refresh()
        name, key = _presented(authorization)
        digest = sha256(key.encode("utf-8", "surrogateescape")).digest()
        found: IntrospectionClient | None = None
        for entry in self._entries:
            matches = hmac.compare_digest(entry.digest, digest)
            if matches and key and name in (None, entry.client.id):
                found = entry.client
        return found

    def _refresh(self) -> None:
        if time.monotonic() < self._check_at:
            return
        self._check_at = time.monotonic() + _RECHECK_SECONDS
        for entry in self._entries:
            try:
                if stamp(entry.client.key_file.stat()) != entry.seen:
                    entry.digest, entry.seen = _read_key(entry.client.key_file)
            except (OSError, ClientKeyError):
                entry.digest, entry.seen = os.urandom(32), ()


def _read_key(path: Path) -> tuple[bytes, tuple[int, ...]]:
    """Return the digest of the key in a file, and a stamp that changes with the file."""
    try:
        key, info = read_secret(path)
    except SecretFileError as error:
        raise ClientKeyError(str(error)) from None
    return sha256(key).digest(), stamp(info)


def _presented(authorization: str) -> tuple[str | None, str]:
    """Return the client id, if the scheme carries one, and the key; empty if the header can't be used."""
    scheme, _, rest = authorization.partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer":
        return None, rest
    if scheme.lower() != "basic":
        return None, ""
    try:
        name, separator, key = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None, ""
    return (name, key) if separator else (None, "")
