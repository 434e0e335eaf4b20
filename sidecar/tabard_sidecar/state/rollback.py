"""Revokes every task that was started before a store lost acknowledged writes."""

from __future__ import annotations

from tabard_sidecar.state.model import Revocation, RevocationKind, RevocationOrigin

# As long as any task that was started before the loss.
_SECONDS = 400 * 24 * 3600.0


STATE_TARGET = "zone"
"""Target of the revocation of all tasks that started before the store lost data."""


def rollback(now: float, reason: str) -> Revocation:
    """Return the revocation of every task of the zone that was started until ``now``."""
    return Revocation(
        RevocationKind.STATE, STATE_TARGET, now, now + _SECONDS, (reason,), RevocationOrigin.SIDECAR
    )
