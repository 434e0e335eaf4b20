"""Encodes caveats as bytes and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tabard.arguments import canonical
from tabard.caveats.base import is_required, wire_fields
from tabard.caveats.errors import CaveatError

if TYPE_CHECKING:
    from tabard.caveats.base import Caveat

MAX_CAVEAT_BYTES = 16 * 1024
"""Longest encoded caveat."""


def encode_caveat(caveat: Caveat) -> bytes:
    """Return the caveat as it stands in a macaroon: one canonical JSON object (RFC 8785).

    Raises:
        CaveatError: it is a third-party caveat, or longer than 16 KiB.
    """
    if not caveat.first_party:
        raise CaveatError(f"a {caveat.tag} caveat has no first-party encoding")
    values = caveat.json_fields()
    for name, default in wire_fields(type(caveat)).items():
        if not is_required(default) and getattr(caveat, name) == default:
            del values[name]
    encoded = canonical({"type": caveat.tag, **values})
    if len(encoded) > MAX_CAVEAT_BYTES:
        raise CaveatError(f"a {caveat.tag} caveat is longer than {MAX_CAVEAT_BYTES} bytes")
    return encoded


def caveat_json(caveat: Caveat) -> dict[str, Any]:
    """Return the caveat as policies and logs see it: every field, times in RFC 3339, no seal and no nonce."""
    return {"type": caveat.tag, **caveat.shown_fields()}
