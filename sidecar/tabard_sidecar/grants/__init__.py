"""Mints, delegates, verifies and checks grants.

Verifying and checking are separate words here. Verifying establishes who wrote what (signatures, seals,
zone). Checking compares a request with the caveats. A verified grant allows nothing by itself.

The names below are imported when they are first used, so that reading the configuration doesn't import them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.util.late import late_names

if TYPE_CHECKING:
    from tabard_sidecar.grants.checks import (
        CLOCK_SKEW_SECONDS,
        check_call,
        check_delegation,
        check_expiry,
        clamp_credential,
        tool_possible,
    )
    from tabard_sidecar.grants.index import IndexedGrant
    from tabard_sidecar.grants.service import GrantService, digest_of

__all__ = [
    "CLOCK_SKEW_SECONDS",
    "GrantService",
    "IndexedGrant",
    "check_call",
    "check_delegation",
    "check_expiry",
    "clamp_credential",
    "digest_of",
    "tool_possible",
]

__getattr__ = late_names(
    __name__,
    {
        "CLOCK_SKEW_SECONDS": "checks",
        "GrantService": "service",
        "IndexedGrant": "index",
        "check_call": "checks",
        "check_delegation": "checks",
        "check_expiry": "checks",
        "clamp_credential": "checks",
        "digest_of": "service",
        "tool_possible": "checks",
    },
)
