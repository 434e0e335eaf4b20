"""Issues and verifies the short-lived credentials of allowed calls."""

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
