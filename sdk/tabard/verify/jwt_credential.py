"""Credentials of kind ``jwt`` (docs/reference/credentials.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt

from tabard.verify.errors import Rejected
from tabard.verify.keys import SIGNATURE_ONLY, KeySet

TYPE = "tabard+jwt"


def read_jwt(token: str, keys: KeySet) -> Mapping[str, Any]:
    """Return the claims of a JWT whose type, algorithm and signature hold.

    Raises:
        Rejected: one of them doesn't, or the keys are unavailable.
    """
    header = _header(token)
    if header.get("typ") != TYPE:
        raise Rejected("credential_type", f"typ is {str(header.get('typ'))[:64]!r}")
    if "crit" in header or "b64" in header:
        raise Rejected("credential_malformed", "the header demands an extension")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise Rejected("credential_malformed", "the header names no key")
    key = keys.get(kid)
    if header.get("alg") != key.algorithm:
        raise Rejected("credential_algorithm", f"alg is {str(header.get('alg'))[:64]!r}")
    try:
        claims = jwt.decode(token, key.public_key, algorithms=[key.algorithm], options=SIGNATURE_ONLY)
    except jwt.InvalidSignatureError:
        raise Rejected("credential_signature") from None
    except Exception as error:  # noqa: BLE001  # any exception that a forged token causes is a refusal
        raise Rejected("credential_malformed", type(error).__name__) from None
    return claims


def _header(token: str) -> Mapping[str, Any]:
    try:
        header = jwt.get_unverified_header(token)
    except Exception as error:  # noqa: BLE001  # see above
        raise Rejected("credential_malformed", type(error).__name__) from None
    return header
