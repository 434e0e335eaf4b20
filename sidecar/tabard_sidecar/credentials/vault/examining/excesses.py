"""Lists what tokens shouldn't be able to do: at the paths that the set-up has, at those beside them, and at an engine's own.

A policy that is wider than it need be allows paths that are in no use. So each list also asks about names that don't exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tabard_sidecar.credentials.vault.engines import needed
from tabard_sidecar.credentials.vault.examining.definitions import DEFINITIONS
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.credentials.vault.conf import VaultConfig, VaultRoleConfig

CHANGES = frozenset({"create", "update", "patch", "delete", "sudo", "root"})
"""Capabilities that change something, or make something."""
ANY = CHANGES | {"read", "list"}
"""All capabilities."""

_NOBODYS = "tabard-doctor"
_LOGIN_METHODS = ("approle", "jwt", "kubernetes")
_LOGIN_ROLES = ("tabard", "tabard-reaper", _NOBODYS)
# What belongs to the engine, and to no role of it, below its mount. "*" is a name that doesn't exist.
_ENGINES_OWN: Mapping[str, tuple[str, ...]] = {
    "database": ("config/*", "reset/*", "rotate-root/*", "rotate-role/*", "static-creds/*", "static-roles/*"),
    "kv": ("config", "delete/*", "destroy/*", "metadata/*", "undelete/*"),
    "ldap": ("config", "creds/*", "library/*/check-out", "rotate-root", "rotate-role/*", "static-cred/*"),
    "pki": (
        "config/*",
        "config/ca",
        "intermediate/set-signed",
        "issue/*",
        "issuer/*",
        "key/*",
        "revoke",
        "root",
        "root/generate/internal",
        "sign-verbatim",
        "sign/*",
    ),
    "ssh": ("config/ca", "creds/*", "issue/*", "sign/*"),
    "transit": ("backup/*", "decrypt/*", "encrypt/*", "export/signing-key/*", "restore", "sign/*"),
}
# The same of the role itself.
_ROLES_OWN: Mapping[str, tuple[str, ...]] = {
    "kv": ("delete/*", "destroy/*", "metadata/*", "undelete/*"),
    "transit": ("backup/*", "export/signing-key/*", "keys/*/config", "keys/*/rotate", "keys/*/trim"),
}


@dataclass(frozen=True, slots=True)
class Excess:
    """Something that a token shouldn't be able to do: any of ``rights`` at ``path``."""

    path: str
    rights: frozenset[str]
    words: str


def everywhere(config: VaultConfig) -> list[Excess]:
    """Return what none of a sidecar's tokens needs, beside what its engines hold."""
    return [
        Excess(f"{_NOBODYS}/nobodys", ANY, 'use paths that no policy names, as path "*" allows'),
        *_of_the_vault(),
        *_of_tokens(config.token_role),
        *_of_logins(config),
        *(one for role in config.roles.values() for one in _of_engine(role)),
    ]


def secrets(config: VaultConfig) -> list[Excess]:
    """Return the secrets of the configured roles, which only a credential's own token may have."""
    return [
        Excess(path, frozenset({right, "root"}), f"obtain secrets of {name}")
        for name, role in config.roles.items()
        for path, right in [needed(role)]
    ]


def making(config: VaultConfig) -> Excess:
    """Return what only the identity needs that obtains credentials."""
    return Excess(f"auth/token/create/{config.token_role}", CHANGES, "make tokens of credentials")


def reaping() -> Excess:
    """Return what only the identity needs that ends credentials."""
    return Excess("auth/token/revoke-accessor", CHANGES, "end any token")


def _of_the_vault() -> Iterator[Excess]:
    for path, words in (
        (f"sys/policies/acl/{_NOBODYS}", "change policies"),
        (f"sys/policy/{_NOBODYS}", "change policies"),
        (f"sys/mounts/{_NOBODYS}", "mount engines"),
        (f"sys/auth/{_NOBODYS}", "mount auth methods"),
        (f"sys/audit/{_NOBODYS}", "change what is audited"),
        ("sys/leases/revoke", "end leases of others"),
        (f"sys/leases/revoke-prefix/{_NOBODYS}", "end leases of others"),
        (f"sys/leases/revoke-force/{_NOBODYS}", "forget leases of others"),
        ("sys/remount", "move engines"),
        ("sys/seal", "seal the vault"),
        (f"sys/plugins/catalog/{_NOBODYS}", "add plugins"),
        (f"sys/namespaces/{_NOBODYS}", "change namespaces"),
        (f"sys/{_NOBODYS}", "use the vault's own paths"),
        ("identity/entity", "give policies to people"),
        ("identity/entity-alias", "give policies to people"),
        ("identity/group", "give policies to people"),
        (f"identity/entity/id/{_NOBODYS}", "give policies to people"),
        (f"identity/{_NOBODYS}", "give policies to people"),
    ):
        yield Excess(path, CHANGES, words)


def _of_tokens(role: str) -> Iterator[Excess]:
    yield Excess(f"auth/token/roles/{role}", CHANGES, "change the token role")
    yield Excess(f"auth/token/roles/{_NOBODYS}", CHANGES, "change token roles")
    yield Excess("auth/token/create", CHANGES, "make tokens without the token role")
    yield Excess("auth/token/create-orphan", CHANGES, "make orphans without the token role")
    yield Excess(f"auth/token/create/{_NOBODYS}", CHANGES, "make tokens by other token roles")
    yield Excess("auth/token/accessors/", frozenset({"list", "sudo", "root"}), "list all tokens")
    for name in ("lookup-accessor", "renew-accessor", "revoke-orphan", _NOBODYS):
        yield Excess(f"auth/token/{name}", CHANGES, "use tokens of others")


def _of_logins(config: VaultConfig) -> Iterator[Excess]:
    """Yield how others could be let in as the sidecar: also by a method that docs/vault.md has and this zone hasn't."""
    own = [config.auth, *([config.reaper] if config.reaper is not None else [])]
    roles = sorted({*_LOGIN_ROLES, *(one.role for one in own if one.role)})
    for mount in sorted({*_LOGIN_METHODS, *(one.path for one in own)}):
        yield Excess(f"auth/{mount}/config", CHANGES, "change whose tokens log in")
        yield Excess(f"auth/{mount}/{_NOBODYS}", ANY, f"use everything below auth/{mount}")
        for role in roles:
            path = f"auth/{mount}/role/{role}"
            yield Excess(path, CHANGES, "change who may log in")
            for secret in ("secret-id", "custom-secret-id"):
                yield Excess(f"{path}/{secret}", ANY, "make secret ids to log in with")


def _of_engine(role: VaultRoleConfig) -> Iterator[Excess]:
    mount = role.path
    (path, right), definition = needed(role), DEFINITIONS[role.engine].path(role)
    if right == "read":
        yield Excess(path, CHANGES, f"change what stands at {path}")
    yield Excess(definition, CHANGES, f"change the role {role.name}")
    for one, name in ((path, "obtain secrets of other roles"), (definition, "change other roles")):
        kind = one.removeprefix(f"{mount}/").partition("/")[0]
        rights = ANY if one is path else CHANGES
        yield Excess(f"{mount}/{kind}/{_NOBODYS}", rights, f"{name} of {mount}")
    yield Excess(f"{mount}/{_NOBODYS}", ANY, f"use everything below {mount}")
    for own in _ENGINES_OWN[role.engine]:
        yield Excess(f"{mount}/{own.replace('*', _NOBODYS)}", ANY, f"use what only {mount} itself needs")
    for own in _ROLES_OWN.get(role.engine, ()):
        yield Excess(f"{mount}/{own.replace('*', role.name)}", ANY, f"do more with {role.name}")
