"""base64url without padding (RFC 4648, section 5), as JSON Web Tokens and macaroons carry bytes."""

from __future__ import annotations

import binascii
from base64 import b64decode, urlsafe_b64encode


def encode(data: bytes) -> str:
    """Return ``data`` in base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes that ``text`` encodes.

    Raises:
        ValueError: ``text`` isn't what :func:`encode` returns for any bytes: other characters, padding, or unused bits
            that are set, which would give the same bytes several spellings.
    """
    try:
        raw = text.encode("ascii")
        data = b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("not base64url") from None
    if urlsafe_b64encode(data).rstrip(b"=") != raw:
        raise ValueError("not canonical base64url")
    return data
