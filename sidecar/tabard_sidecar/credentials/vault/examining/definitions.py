"""Examines what a vault says of the roles of its engines, beside what `tabard.yaml` says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tabard_sidecar.credentials.vault.conf import VaultRoleConfig
from tabard_sidecar.credentials.vault.engines import leases
from tabard_sidecar.credentials.vault.examining.asking import seconds_of, words
from tabard_sidecar.credentials.vault.examining.commands import word
from tabard_sidecar.util.findings import Severity
from tabard_sidecar.util.lean import dataclass

# By how much a login may outlast what tabard.yaml says, since its end counts if the vault is lost.
_MOST_TIMES = 4
_MOST_SECONDS = 86_400.0
_OWN_SECONDS = 2_764_800.0  # Vault's and OpenBao's default, 32 days

Data = Mapping[str, Any]


class Told(NamedTuple):
    """Something that isn't as it should be, and the command that mends it."""

    severity: Severity
    message: str
    step: str


@dataclass(frozen=True, slots=True)
class Definition:
    """Where an engine says what a role is, and what is to be checked there.

    Attributes:
        path: returns the path.
        check: yields what is wrong, from the role's data and the mount's configuration.
        make: returns the command that makes what is missing.
    """

    path: Callable[[VaultRoleConfig], str]
    check: Callable[[VaultRoleConfig, Data, Data], Iterator[Told]]
    make: Callable[[VaultRoleConfig], str]


def wrong(message: str, step: str) -> Told:
    """Return a problem."""
    return Told(Severity.PROBLEM, message, step)


def _doubtful(message: str, step: str) -> Told:
    return Told(Severity.WARNING, message, step)


def check_mount(role: VaultRoleConfig, mount: Data) -> Iterator[Told]:
    """Yield that the mount ends leases before the role may, from the mount's configuration."""
    longest = seconds_of(mount.get("max_lease_ttl"))
    if leases(role) and 0 < longest < role.max_ttl_seconds:
        yield _doubtful(
            f"the mount {role.path} ends leases after {longest:g} s, and max_ttl_seconds is {role.max_ttl_seconds:g}",
            f"vault secrets tune -max-lease-ttl={role.max_ttl_seconds:g}s {role.path}, or lower max_ttl_seconds",
        )


def _role_path(role: VaultRoleConfig) -> str:
    return f"{role.path}/roles/{role.name}"


def _login_seconds(data: Data, mount: Data) -> tuple[float, float]:
    """Return how long a login lasts that the engine makes, and how long it can be made to last at most."""
    longest = seconds_of(data.get("max_ttl")) or seconds_of(mount.get("max_lease_ttl")) or _OWN_SECONDS
    usual = seconds_of(data.get("default_ttl")) or seconds_of(mount.get("default_lease_ttl")) or _OWN_SECONDS
    return min(usual, longest), longest


def _check_login(role: VaultRoleConfig, data: Data, mount: Data, path: str) -> Iterator[Told]:
    wanted = role.max_ttl_seconds
    lasts, longest = _login_seconds(data, mount)
    write = f"vault write {path} default_ttl={wanted:g}s"
    if lasts < wanted:
        yield _doubtful(
            f"its logins end after {lasts:g} s (the shorter of default_ttl and max_ttl), and max_ttl_seconds is {wanted:g}",
            f"{write} max_ttl={max(longest, wanted):g}s, or lower max_ttl_seconds",
        )
    elif lasts > wanted * _MOST_TIMES or longest > max(_MOST_SECONDS, wanted * _MOST_TIMES):
        yield _doubtful(
            f"its logins last {lasts:g} s, {longest:g} s at most, if the vault can't end them; max_ttl_seconds is {wanted:g}",
            f"{write} max_ttl={wanted:g}s",
        )


def _check_database(role: VaultRoleConfig, data: Data, mount: Data) -> Iterator[Told]:
    yield from _check_login(role, data, mount, _role_path(role))
    if not words(data.get("creation_statements")):
        yield wrong("it has no creation_statements, so its logins may do nothing", _make_database(role))


def _make_database(role: VaultRoleConfig) -> str:
    seconds = f"{role.max_ttl_seconds:g}s"
    return (
        f"vault write {_role_path(role)} db_name=… creation_statements=… revocation_statements=… "
        f"default_ttl={seconds} max_ttl={seconds}; docs/vault.md, A database, has it whole"
    )


def _kv_path(role: VaultRoleConfig) -> str:
    return f"{role.path}/subkeys/{role.name}"


def _check_kv(role: VaultRoleConfig, data: Data, _mount: Data) -> Iterator[Told]:
    found = data.get("subkeys")
    missing = [name for name in role.fields if not isinstance(found, dict) or name not in found]
    if missing:
        values = " ".join(f"{word(name)}=…" for name in missing)
        yield wrong(
            f"the secret has no field {', '.join(missing)}",
            f"vault kv patch -mount={role.path} {role.name} {values}",
        )


def _make_kv(role: VaultRoleConfig) -> str:
    values = " ".join(f"{word(name)}=…" for name in role.fields)
    return f"vault kv put -mount={role.path} {role.name} {values}"


def _ldap_path(role: VaultRoleConfig) -> str:
    kind = {"static": "static-role", "library": "library"}.get(role.account or "", "role")
    return f"{role.path}/{kind}/{role.name}"


def _check_ldap(role: VaultRoleConfig, data: Data, mount: Data) -> Iterator[Told]:
    if role.account == "library":
        longest = seconds_of(data.get("max_ttl"))
        if 0 < longest < role.max_ttl_seconds:
            yield _doubtful(
                f"accounts are checked out for {longest:g} s at most, and max_ttl_seconds is {role.max_ttl_seconds:g}",
                f"vault write {_ldap_path(role)} max_ttl={role.max_ttl_seconds:g}s, or lower max_ttl_seconds",
            )
    elif role.account != "static":
        yield from _check_login(role, data, mount, _ldap_path(role))


def _make_ldap(role: VaultRoleConfig) -> str:
    return f"vault write {_ldap_path(role)} …; docs/vault.md, More engines, has it whole"


def _check_pki(role: VaultRoleConfig, data: Data, _mount: Data) -> Iterator[Told]:
    patch, longest = f"vault patch {_role_path(role)}", seconds_of(data.get("max_ttl"))
    if 0 < longest < role.max_ttl_seconds:
        yield _doubtful(
            f"its certificates last {longest:g} s at most, and max_ttl_seconds is {role.max_ttl_seconds:g}",
            f"{patch} max_ttl={role.max_ttl_seconds:g}s, or lower max_ttl_seconds",
        )
    if data.get("generate_lease") is not True:
        yield _doubtful("the end of the task revokes no certificate", f"{patch} generate_lease=true")
    if data.get("allow_any_name") is True:
        yield _doubtful(
            "it signs any name, so only the token's policy keeps credentials to their own",
            f"{patch} allow_any_name=false allow_subdomains=true allowed_domains={word(_domain(role))}",
        )
    elif not any(data.get(name) for name in ("allowed_domains_template", "allow_glob_domains")):
        yield from _check_names(role, data, patch)


def _check_names(role: VaultRoleConfig, data: Data, patch: str) -> Iterator[Told]:
    name = role.common_name or ""
    below = any(name.endswith(f".{one}") for one in words(data.get("allowed_domains")))
    same = name in words(data.get("allowed_domains")) and data.get("allow_bare_domains") is True
    if not (same or (below and data.get("allow_subdomains") is True)):
        yield wrong(
            f"it signs no certificate for {name}",
            f"{patch} allow_subdomains=true allowed_domains={word(_domain(role))}",
        )


def _domain(role: VaultRoleConfig) -> str:
    return (role.common_name or "").partition(".")[2] or (role.common_name or "")


def _make_pki(role: VaultRoleConfig) -> str:
    return (
        f"vault write {_role_path(role)} max_ttl={role.max_ttl_seconds:g}s generate_lease=true key_type=ec key_bits=256 "
        f"allowed_domains={word(_domain(role))} allow_subdomains=true client_flag=true server_flag=false"
    )


def _check_ssh(role: VaultRoleConfig, data: Data, _mount: Data) -> Iterator[Told]:
    longest = seconds_of(data.get("max_ttl"))
    allowed = data.get("allowed_users")
    users = {one.strip() for one in allowed.split(",")} if isinstance(allowed, str) else set()
    missing = [one for one in role.principals if one not in users]
    if data.get("key_type") != "ca" or data.get("allow_user_certificates") is not True:
        yield wrong("it signs no certificates of users", _make_ssh(role))
    elif missing and "*" not in users and data.get("allowed_users_template") is not True:
        yield wrong(f"it signs no certificate for the user {', '.join(missing)}", _make_ssh(role))
    if 0 < longest < role.max_ttl_seconds:
        # Vault refuses to sign for longer, where its other engines cut.
        yield wrong(
            f"it signs for {longest:g} s at most, and refuses max_ttl_seconds, which is {role.max_ttl_seconds:g}",
            f"Lower max_ttl_seconds, or {_make_ssh(role)}",
        )


def _make_ssh(role: VaultRoleConfig) -> str:
    users, seconds = ",".join(role.principals), f"{role.max_ttl_seconds:g}s"
    return (
        f"vault write {_role_path(role)} key_type=ca allow_user_certificates=true allowed_users={word(users)} "
        f"default_user={word(role.principals[0])} key_id_format='{{{{token_display_name}}}}' ttl={seconds} max_ttl={seconds}"
    )


def _transit_path(role: VaultRoleConfig) -> str:
    return f"{role.path}/keys/{role.name}"


def _check_transit(role: VaultRoleConfig, data: Data, _mount: Data) -> Iterator[Told]:
    if data.get("supports_signing") is not True:
        yield wrong("its key can't sign", f"Name another key: vault write {role.path}/keys/NAME type=ed25519")
    elif data.get("exportable") is True:
        yield _doubtful(
            "its key can leave the vault (exportable), which can't be undone",
            f"Name another key: vault write {role.path}/keys/NAME type=ed25519",
        )


def _make_transit(role: VaultRoleConfig) -> str:
    return f"vault write {_transit_path(role)} type=ed25519"


DEFINITIONS: Mapping[str, Definition] = {
    "database": Definition(_role_path, _check_database, _make_database),
    "kv": Definition(_kv_path, _check_kv, _make_kv),
    "ldap": Definition(_ldap_path, _check_ldap, _make_ldap),
    "pki": Definition(_role_path, _check_pki, _make_pki),
    "ssh": Definition(_role_path, _check_ssh, _make_ssh),
    "transit": Definition(_transit_path, _check_transit, _make_transit),
}
"""Definitions by engine."""
