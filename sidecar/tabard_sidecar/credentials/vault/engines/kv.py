"""Engine ``kv``, version 2: a static secret such as an API key, of which the agent gets the configured fields."""

from __future__ import annotations

from tabard_sidecar.credentials.vault.engines.asking import Asking
from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.credentials.vault.replies import Obtained, data_of, text_fields


def obtain(asking: Asking) -> Obtained:
    """Read the newest version of the secret.

    Raises:
        VaultFault: the vault can't be reached, refuses, or its reply isn't acceptable; the secret was deleted.
    """
    role = asking.role
    path = f"{role.path}/data/{role.name}"
    data = data_of(asking.read(path))
    values = data.get("data")
    if not isinstance(values, dict):
        raise VaultFault("vault_refused", "the secret has no version that holds data", nothing_done=True)
    fields = text_fields(values, role.fields)
    return Obtained(fields, value=next(iter(fields.values())) if len(fields) == 1 else "")
