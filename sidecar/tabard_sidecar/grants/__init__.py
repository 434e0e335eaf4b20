"""Mints, delegates, verifies and checks grants.

Verifying and checking are separate words here. Verifying establishes who wrote what (signatures, seals,
zone). Checking compares a request with the caveats. A verified grant allows nothing by itself.
"""

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
