"""Engine ``pki``: a private key with a certificate for the call."""

from __future__ import annotations

import time

from cryptography import x509
from cryptography.x509.oid import NameOID

from tabard_sidecar.credentials.vault.conf import VaultRoleConfig
from tabard_sidecar.credentials.vault.engines.asking import Asking
from tabard_sidecar.credentials.vault.faults import invalid
from tabard_sidecar.credentials.vault.replies import Obtained, data_of, leased, text_fields
from tabard_sidecar.credentials.vault.tokens import handle

_FIELDS = ("certificate", "private_key", "issuing_ca", "serial_number")
_SKEW_SECONDS = 60.0


def path(role: VaultRoleConfig) -> str:
    """Return what is written to for a certificate."""
    return f"{role.path}/issue/{role.name}"


def obtain(asking: Asking) -> Obtained:
    """Obtain a key and a certificate, which the vault revokes with the token if its role has ``generate_lease``.

    Raises:
        VaultFault: the vault can't be reached, refuses, or its reply isn't acceptable.
    """
    role = asking.role
    source = path(role)
    name = (role.common_name or "").replace("{handle}", handle(asking.request))
    reply = asking.write(source, {"common_name": name, "ttl": f"{asking.seconds}s"})
    if asking.wraps:
        return asking.unread(reply, source)
    fields = text_fields(data_of(reply), role.fields or _FIELDS)
    seconds = _checked(text_fields(data_of(reply), ("certificate",))["certificate"], name, asking.seconds)
    if not reply.get("lease_id"):
        return Obtained(fields, seconds=seconds)
    lease_id, _ = leased(reply, source)
    return Obtained(fields, lease_id=lease_id, seconds=seconds)


def _checked(pem: str, name: str, most_seconds: float) -> float:
    """Return how long a certificate is valid from now, if it is for ``name`` and lasts no longer than was asked.

    Raises:
        VaultFault: it can't be read, is for another name, or lasts longer.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        names = [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        seconds = certificate.not_valid_after_utc.timestamp() - time.time()
    except Exception:  # noqa: BLE001 - a parser of a stranger's text may raise anything
        raise invalid("its certificate can't be read") from None
    if names != [name]:
        raise invalid("its certificate is for another name than was asked for")
    if not 1 <= seconds <= most_seconds + _SKEW_SECONDS:
        raise invalid(f"its certificate is valid for {seconds:.0f} s instead of {most_seconds:g} s")
    return seconds
