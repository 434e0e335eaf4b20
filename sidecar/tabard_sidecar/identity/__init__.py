"""Verifies identities: the person's token, this sidecar's workload, and signed intents.

The names below are imported when they are first used, so that reading the configuration doesn't import them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.util.late import late_names

if TYPE_CHECKING:
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

__getattr__ = late_names(
    __name__,
    {
        "LOCAL_ISSUER": "local",
        "AgentIdentity": "agent",
        "Identity": "build",
        "IdentityConfig": "conf",
        "InsecureIdentity": "build",
        "KeysUnavailable": "sources",
        "build_identity": "build",
        "create_local_key": "local",
        "mint_local_token": "local",
        "sign_intent": "intent",
    },
)
