"""Credentials of kind ``vault``: obtained from HashiCorp Vault or OpenBao after an allowed call, and ended there.

The names below are imported when they are first used, so that reading the configuration imports no HTTP client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.util.late import late_names

if TYPE_CHECKING:
    from tabard_sidecar.credentials.vault.conf import VaultConfig, vault_roles
    from tabard_sidecar.credentials.vault.ending import LeaseEnding
    from tabard_sidecar.credentials.vault.issuer import VaultIssuer, build_vaults

__all__ = ["LeaseEnding", "VaultConfig", "VaultIssuer", "build_vaults", "vault_roles"]

__getattr__ = late_names(
    __name__,
    {
        "LeaseEnding": "ending",
        "VaultConfig": "conf",
        "VaultIssuer": "issuer",
        "build_vaults": "issuer",
        "vault_roles": "conf",
    },
)
