"""Engine ``ldap``: an account of a directory, made for the call, checked out of a set, or static."""

from __future__ import annotations

from tabard_sidecar.credentials.vault.conf import VaultRoleConfig
from tabard_sidecar.credentials.vault.engines.asking import Asking, Right
from tabard_sidecar.credentials.vault.faults import invalid
from tabard_sidecar.credentials.vault.replies import Obtained, data_of, leased, text_fields

_ACCOUNT = ("username", "password")


def leases(role: VaultRoleConfig) -> bool:
    """Tell whether the account ends with the token, or is given back to its set."""
    return role.account != "static"


def path(role: VaultRoleConfig) -> str:
    """Return what is read for an account, or written to if it is checked out of a set."""
    if role.account == "library":
        return f"{role.path}/library/{role.name}/check-out"
    return f"{role.path}/{'static-cred' if role.account == 'static' else 'creds'}/{role.name}"


def right(role: VaultRoleConfig) -> Right:
    """Return the capability that the token needs there."""
    return "update" if role.account == "library" else "read"


def obtain(asking: Asking) -> Obtained:
    """Obtain an account: ``username``, ``password`` and, if the engine says it, ``dn``.

    Raises:
        VaultFault: the vault can't be reached, refuses, or its reply isn't acceptable.
    """
    role = asking.role
    if role.account == "library":
        return _checked_out(asking)
    source = path(role)
    reply = asking.read(source)
    if asking.wraps:
        return asking.unread(reply, source)
    data = data_of(reply)
    names = data.get("distinguished_names", [data["dn"]] if "dn" in data else [])
    if not isinstance(names, list):
        raise invalid("its reply has distinguished_names that are no list")
    # A dynamic role may make more entries than the account itself, which comes first.
    values = {**data, "dn": names[0]} if names else data
    usual = (*_ACCOUNT, "dn") if names else _ACCOUNT
    fields = text_fields(values, role.fields or usual)
    if role.account == "static":
        return Obtained(fields)
    lease_id, seconds = leased(reply, source)
    return Obtained(fields, lease_id=lease_id, seconds=seconds)


def _checked_out(asking: Asking) -> Obtained:
    """Check an account out of a set; it is checked in when the token ends."""
    role = asking.role
    source = path(role)
    reply = asking.write(source, {"ttl": f"{asking.seconds}s"})
    if asking.wraps:
        return asking.unread(reply, source)
    lease_id, seconds = leased(reply, source)
    data = data_of(reply)
    values = {"username": data.get("service_account_name"), "password": data.get("password")}
    return Obtained(text_fields(values, role.fields or _ACCOUNT), lease_id=lease_id, seconds=seconds)
