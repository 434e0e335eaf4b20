"""Defines a key of the zone and its JSON form on disk."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tabard import base64url

from tabard_sidecar.keys import jwk

ROOT = "root"
"""Use of a key of 32 random bytes, from which grant, hop and credential keys are derived."""
SIGNING = "signing"
"""Use of a key that signs JWT credentials: EC P-256 or Ed25519."""
USES = (ROOT, SIGNING)

ROOT_BYTES = 32
_KID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_FIELDS = frozenset({"kid", "use", "active_from", "retire_after", "key"})


class KeyringError(Exception):
    """The keyring can't be used or changed. The text names the file and how to fix it, and never holds a key."""


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One key of the zone.

    Sidecars accept grants and credentials made with the key as soon as its file exists, make new ones with it from
    ``active_from`` on, and accept none from ``retire_after`` on (``None``: never retires). Times are seconds since the
    epoch. ``secret`` is set for use ``root``, ``private_key`` and ``algorithm`` for ``signing``.
    """

    kid: str
    use: str
    active_from: float
    retire_after: float | None
    secret: bytes = field(default=b"", repr=False)
    private_key: EllipticCurvePrivateKey | Ed25519PrivateKey | None = field(default=None, repr=False)
    algorithm: str = ""

    def accepted_at(self, now: float) -> bool:
        """Tell whether grants and credentials made with the key are accepted at ``now``."""
        return self.retire_after is None or now < self.retire_after

    def active_at(self, now: float) -> bool:
        """Tell whether the key may make new grants or credentials at ``now``."""
        return self.active_from <= now and self.accepted_at(now)


def valid_kid(kid: str) -> bool:
    """Tell whether ``kid`` is a valid key id. It is also the file's name."""
    return _KID.fullmatch(kid) is not None


def encode(key: Key) -> bytes:
    """Encode ``key`` as a JSON document, including the secret."""
    return json.dumps(encode_document(key), indent=2).encode() + b"\n"


def decode(content: bytes) -> Key:
    """Decode the JSON document of a key.

    Raises:
        KeyringError: the document isn't a key; the text doesn't repeat its content.
    """
    try:
        document = json.loads(content, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError):
        # The parser's message could quote the secret.
        raise KeyringError("it isn't valid JSON, or repeats a name") from None
    return decode_document(document)


def encode_document(key: Key) -> dict[str, Any]:
    """Return ``key`` as a JSON object, including the secret."""
    material: str | dict[str, str]
    if key.private_key is not None:
        material = jwk.private_jwk(key.private_key)
    else:
        material = base64url.encode(key.secret)
    return {
        "kid": key.kid,
        "use": key.use,
        "active_from": to_text(key.active_from),
        "retire_after": None if key.retire_after is None else to_text(key.retire_after),
        "key": material,
    }


def decode_document(document: object) -> Key:
    """Read the JSON object of a key.

    Raises:
        KeyringError: it isn't a key; the text doesn't repeat its content.
    """
    if not isinstance(document, dict) or set(document) != _FIELDS:
        raise KeyringError(f"it must be an object with exactly the fields {', '.join(sorted(_FIELDS))}")
    kid, use = document["kid"], document["use"]
    if not isinstance(kid, str) or not valid_kid(kid):
        raise KeyringError("its kid must be 1 to 64 letters, digits, '_' or '-'")
    if use not in USES:
        raise KeyringError(f"its use must be one of {', '.join(USES)}")
    active_from = to_time(document["active_from"], "active_from")
    retire_after = document["retire_after"]
    retire = None if retire_after is None else to_time(retire_after, "retire_after")
    if retire is not None and retire < active_from:
        raise KeyringError("its retire_after is before its active_from")
    if use == ROOT:
        return Key(kid, use, active_from, retire, secret=root_secret(document["key"]))
    private = _signing_key(document["key"])
    return Key(kid, use, active_from, retire, private_key=private, algorithm=jwk.algorithm_of(private))


def root_secret(value: object) -> bytes:
    """Read 32 bytes of a key.

    Raises:
        KeyringError: ``value`` isn't their base64url.
    """
    if isinstance(value, str):
        try:
            secret = base64url.decode(value)
        except ValueError:
            secret = b""
        if len(secret) == ROOT_BYTES:
            return secret
    raise KeyringError(f"its key must be {ROOT_BYTES} bytes in base64url")


def _signing_key(value: object) -> EllipticCurvePrivateKey | Ed25519PrivateKey:
    try:
        return jwk.load_private(value)
    except ValueError as error:
        raise KeyringError(f"its key can't be used: {error}") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name is repeated")
    return document


def to_text(moment: float) -> str:
    """Write a time as RFC 3339 does, with milliseconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_time(value: object, name: str) -> float:
    """Read a time as RFC 3339 writes it.

    Raises:
        KeyringError: ``value`` isn't one; the text calls it ``name``.
    """
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            parsed = None
        if parsed is not None and parsed.tzinfo is not None:
            return parsed.timestamp()
    raise KeyringError(f"its {name} must be a time like 2026-01-31T12:00:00Z")
