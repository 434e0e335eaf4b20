"""Issues and verifies the short-lived credentials of allowed calls.

The names below are imported when they are first used, so that reading the configuration doesn't import them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.util.late import late_names

if TYPE_CHECKING:
    from tabard_sidecar.credentials.claims import introspection_response
    from tabard_sidecar.credentials.conf import CredentialsConfig
    from tabard_sidecar.credentials.registry import NO_CREDENTIAL, Issuers, build_issuers, zone_issuer

__all__ = [
    "NO_CREDENTIAL",
    "CredentialsConfig",
    "Issuers",
    "build_issuers",
    "introspection_response",
    "zone_issuer",
]

__getattr__ = late_names(
    __name__,
    {
        "NO_CREDENTIAL": "registry",
        "CredentialsConfig": "conf",
        "Issuers": "registry",
        "build_issuers": "registry",
        "introspection_response": "claims",
        "zone_issuer": "registry",
    },
)
