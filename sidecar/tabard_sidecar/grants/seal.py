"""Seals: proof that a sidecar of the zone, and nobody else, handed a grant to another workload.

Whoever holds a macaroon can append caveats to it, so an unsealed hop would let a thief make himself the holder.
"""

from __future__ import annotations

import hmac

from tabard import base64url
from tabard.caveats.codec import hop_bytes


def make_seal(key: bytes, before: bytes, holder: str) -> str:
    """Return the seal of a hop: HMAC-SHA256 over the chain's signature before it and the hop's own encoding.

    The signature ties the seal to this place of this grant, so a seal copied from elsewhere is worth nothing.
    """
    return base64url.encode(hmac.digest(key, before + hop_bytes(holder), "sha256"))


def seal_holds(key: bytes, before: bytes, holder: str, seal: str) -> bool:
    """Tell whether ``seal`` is the one that :func:`make_seal` makes, in constant time."""
    return hmac.compare_digest(make_seal(key, before, holder), seal)
