"""Engine ``ssh``: a fresh key with a user certificate."""

from __future__ import annotations

import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tabard_sidecar.credentials.vault.conf import VaultRoleConfig
from tabard_sidecar.credentials.vault.engines.asking import Asking
from tabard_sidecar.credentials.vault.faults import VaultFault, invalid
from tabard_sidecar.credentials.vault.replies import Obtained, data_of, text_fields

_FIELDS = ("private_key", "signed_key")
_SKEW_SECONDS = 60.0


def path(role: VaultRoleConfig) -> str:
    """Return what is written to for a certificate."""
    return f"{role.path}/issue/{role.name}"


def obtain(asking: Asking) -> Obtained:
    """Obtain a key in OpenSSH's form and its certificate, which ends by its own time only.

    Raises:
        VaultFault: the vault can't be reached, refuses, or its reply isn't acceptable.
    """
    role = asking.role
    source = path(role)
    reply = asking.write(
        source,
        {
            "key_type": "ed25519",
            "valid_principals": ",".join(role.principals),
            "ttl": f"{asking.seconds}s",
        },
    )
    if asking.wraps:
        return asking.unread(reply, source)
    fields = text_fields(data_of(reply), _FIELDS)
    seconds = _checked(fields, role.principals, asking.seconds)
    return Obtained(text_fields(fields, role.fields or _FIELDS), seconds=seconds)


def _checked(fields: dict[str, str], principals: tuple[str, ...], most_seconds: float) -> float:
    """Return how long a certificate is valid from now, if it is what was asked for.

    Raises:
        VaultFault: it can't be read, is for another key or user, or lasts longer.
    """
    try:
        key = serialization.load_ssh_private_key(fields["private_key"].encode(), None)
        found = serialization.load_ssh_public_identity(fields["signed_key"].strip().encode())
        if not isinstance(found, serialization.SSHCertificate):
            raise invalid("its signed key is no certificate")
        if not isinstance(key, Ed25519PrivateKey) or found.public_key() != key.public_key():
            raise invalid("its certificate is for another key")
        users = {name.decode() for name in found.valid_principals}
    except VaultFault:
        raise
    except Exception:  # noqa: BLE001 - a parser of a stranger's text may raise anything
        raise invalid("its key or certificate can't be read") from None
    if found.type is not serialization.SSHCertificateType.USER or users != set(principals):
        raise invalid("its certificate is for other users than were asked for, or for a host")
    seconds = found.valid_before - time.time()
    if not 1 <= seconds <= most_seconds + _SKEW_SECONDS:
        raise invalid(f"its certificate isn't valid for the {most_seconds:g} s that were asked for")
    return seconds
