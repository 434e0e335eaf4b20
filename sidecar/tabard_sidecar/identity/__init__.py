"""Verifies identities: the person's token, this sidecar's workload, and signed intents."""

from tabard_sidecar.identity.agent import AgentIdentity
from tabard_sidecar.identity.build import Identity, InsecureIdentity, build_identity
from tabard_sidecar.identity.conf import IdentityConfig
from tabard_sidecar.identity.intent import sign_intent
from tabard_sidecar.identity.local import LOCAL_ISSUER, create_local_key, mint_local_token
from tabard_sidecar.identity.sources import KeysUnavailable

__all__ = [
    "LOCAL_ISSUER",
    "AgentIdentity",
    "Identity",
    "IdentityConfig",
    "InsecureIdentity",
    "KeysUnavailable",
    "build_identity",
    "create_local_key",
    "mint_local_token",
    "sign_intent",
]
