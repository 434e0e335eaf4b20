"""Engine ``database``: a user that the database makes for the call, and drops when the token ends."""

from __future__ import annotations

from tabard_sidecar.credentials.vault.conf import VaultRoleConfig
from tabard_sidecar.credentials.vault.engines.asking import Asking
from tabard_sidecar.credentials.vault.replies import Obtained, data_of, leased, text_fields

_FIELDS = ("username", "password")


def path(role: VaultRoleConfig) -> str:
    """Return what is read for a credential."""
    return f"{role.path}/creds/{role.name}"


def obtain(asking: Asking) -> Obtained:
    """Obtain user name and password.

    Raises:
        VaultFault: the vault can't be reached, refuses, or its reply isn't acceptable.
    """
    role = asking.role
    source = path(role)
    reply = asking.read(source)
    if asking.wraps:
        return asking.unread(reply, source)
    lease_id, seconds = leased(reply, source)
    return Obtained(text_fields(data_of(reply), role.fields or _FIELDS), lease_id=lease_id, seconds=seconds)
