"""Grants: made, handed on, verified and judged.

Verifying and judging are separate words here. Verifying tells who wrote what (signatures, seals, zone), judging what the
caveats say to a question; a verified grant allows nothing by itself.
"""

from tabard_sidecar.grants.checks import (
    CLOCK_SKEW_SECONDS,
    check_call,
    check_delegation,
    check_expiry,
    children_to_register,
    clamp_credential,
    tool_possible,
)
from tabard_sidecar.grants.plan import PlannedGrant
from tabard_sidecar.grants.service import GrantService, digest_of

__all__ = [
    "CLOCK_SKEW_SECONDS",
    "GrantService",
    "PlannedGrant",
    "check_call",
    "check_delegation",
    "check_expiry",
    "children_to_register",
    "clamp_credential",
    "digest_of",
    "tool_possible",
]
