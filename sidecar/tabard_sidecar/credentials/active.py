"""Tells whether a credential is active: verified, not expired, and nothing revoked on which it rests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.errors import Refused

if TYPE_CHECKING:
    from tabard_sidecar.credentials.registry import Issuers
    from tabard_sidecar.interfaces import Revocations
    from tabard_sidecar.model import Introspection


async def active(
    issuers: Issuers, revocations: Revocations, value: str, *, now: float
) -> Introspection | None:
    """Describe a credential of any task for a backend; ``None`` if it isn't active, for any reason.

    Raises:
        NoDecision: the state store can't be reached, or the key that it names can't be had.
    """
    try:
        found = issuers.inspect(value)
        await revocations.check_credential(found, now=now)
    except Refused:
        return None
    return found
