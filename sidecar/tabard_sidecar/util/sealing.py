"""Encrypting what the state store keeps and mustn't be able to read: AES-256-GCM under keys of the zone."""

from __future__ import annotations

import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class SealError(Exception):
    """What was sealed can't be opened.

    Attributes:
        retired: its key isn't accepted any more; otherwise it was changed, or sealed for something else.
    """

    def __init__(self, *, retired: bool) -> None:
        super().__init__("its key is retired" if retired else "it does not decrypt")
        self.retired = retired


class SealingKeys(Protocol):
    """Where the keys come from."""

    def current(self) -> tuple[str, bytes]:
        """Return id and secret (32 bytes) of the key to encrypt with."""
        ...

    def by_id(self, kid: str) -> bytes | None:
        """Return the secret of a key, or ``None`` if it isn't accepted any more."""
        ...


def seal(keys: SealingKeys, data: bytes, purpose: bytes) -> bytes:
    """Encrypt ``data``; it opens only with the same ``purpose``, for example the digest of the request it answers."""
    kid, secret = keys.current()
    nonce = os.urandom(_NONCE_BYTES)
    raw_kid = kid.encode()
    return bytes((len(raw_kid),)) + raw_kid + nonce + AESGCM(secret).encrypt(nonce, data, purpose)


def unseal(keys: SealingKeys, sealed: bytes, purpose: bytes) -> bytes:
    """Return what was sealed.

    Raises:
        SealError: the key is retired, or the bytes were changed or sealed for another purpose.
    """
    try:
        length = sealed[0]
        kid, rest = sealed[1 : 1 + length].decode(), sealed[1 + length :]
        secret = keys.by_id(kid)
        if secret is None:
            raise SealError(retired=True)
        return AESGCM(secret).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], purpose)
    except (InvalidTag, ValueError, IndexError):
        raise SealError(retired=False) from None
