"""Builds the JWK Set with which backends verify JWT credentials (RFC 7517, section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tabard_sidecar.keys import jwk
from tabard_sidecar.keys.model import SIGNING

if TYPE_CHECKING:
    from tabard_sidecar.keys.keyring import Keyring


def jwks(keyring: Keyring) -> dict[str, Any]:
    """Return the JWK Set of every signing key that hasn't retired.

    A new key is in the set as soon as it is in the keyring, so that backends have it before its ``active_from``.
    """
    return {
        "keys": [
            jwk.public_jwk(key.private_key) | {"kid": key.kid, "use": "sig", "alg": key.algorithm}
            for key in keyring.list(SIGNING)
            if key.private_key is not None
        ]
    }
