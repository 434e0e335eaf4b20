"""Engine ``kv``, version 2: a static secret such as an API key, of which the agent gets the configured fields."""

from __future__ import annotations

from tabard_sidecar.credentials.vault.conf import VaultRoleConfig
from tabard_sidecar.credentials.vault.engines.asking import Asking
from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.credentials.vault.replies import Obtained, data_of, text_fields


def path(role: VaultRoleConfig) -> str:
    """Return what is read for a credential."""
    return f"{role.path}/data/{role.name}"


def obtain(asking: Asking) -> Obtained:
    """Read the newest version of the secret.

    Raises:
        VaultFault: the vault can't be reached, refuses, or its reply isn't acceptable; the secret was deleted.
    """
    role = asking.role
    data = data_of(asking.read(path(role)))
    values = data.get("data")
    if not isinstance(values, dict):
        raise VaultFault("vault_refused", "the secret has no version that holds data", nothing_done=True)
    fields = text_fields(values, role.fields)
    return Obtained(fields, value=next(iter(fields.values())) if len(fields) == 1 else "")
