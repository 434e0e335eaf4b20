"""Examines the configured roles: whether the engine is there, the role is, and a credential's token may use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from tabard_sidecar.credentials.quoting import quoted
from tabard_sidecar.credentials.vault.engines import needed
from tabard_sidecar.credentials.vault.examining.asking import (
    MOUNTS,
    NOT_FOUND,
    capabilities,
    may,
    mount_config,
    read,
)
from tabard_sidecar.credentials.vault.examining.commands import rights_added
from tabard_sidecar.credentials.vault.examining.definitions import DEFINITIONS, Told, check_mount, wrong
from tabard_sidecar.credentials.vault.examining.rights import policy_of
from tabard_sidecar.credentials.vault.faults import FORBIDDEN, VaultFault
from tabard_sidecar.util.findings import Finding, ok, problem, warning
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.credentials.vault.conf import VaultRoleConfig
    from tabard_sidecar.credentials.vault.replies import Token
    from tabard_sidecar.credentials.vault.server import VaultServer

_MOST_NAMED = 8
# Vault's name for the engine before 1.12.
_OLD_NAME = ("ldap", "openldap")


@dataclass(slots=True)
class _Examined:
    """What is found of one role: what is wrong, and the path that can't be read."""

    told: list[Told] = field(default_factory=list)
    unread: str = ""


async def examine_roles(server: VaultServer, what: str, token: Token) -> AsyncIterator[Finding]:
    """Check every configured role with a token as credentials have.

    Args:
        server: the vault.
        what: what is examined, for messages.
        token: made by the token role.
    """
    roles = server.config.roles
    if not roles:
        return
    try:
        rights = await capabilities(server, token, [needed(role)[0] for role in roles.values()])
    except VaultFault as fault:
        yield problem(what, fault.message, "Check that the address is that of a vault, and try again.")
        return
    # Each question has its time from when it is asked, so none may wait for its turn.
    places = asyncio.Semaphore(server.issuing_places)

    async def in_turn(role: VaultRoleConfig) -> _Examined:
        async with places:
            return await _examined(server, token, role, rights)

    examined = await asyncio.gather(*map(in_turn, roles.values()))
    found = dict(zip(roles, examined, strict=True))
    for name, one in found.items():
        for told in one.told:
            yield Finding(f"{what}.{name}", told.severity, told.message, told.step)
    unread = {name: one.unread for name, one in found.items() if one.unread}
    if unread:
        yield warning(
            what,
            f"{_listed(unread)}: their definitions can't be read, so they aren't examined",
            rights_added(policy_of(token), [(path, "read") for path in unread.values()]),
        )
    right = [name for name, one in found.items() if not one.told and not one.unread]
    if right:
        yield ok(
            what, f"{_listed(right)}: the engine and the role are there, and credentials' tokens may use it"
        )


async def _examined(
    server: VaultServer, token: Token, role: VaultRoleConfig, rights: Mapping[str, frozenset[str]] | None
) -> _Examined:
    found = _Examined()
    try:
        await _examine(found, server, token, role, rights)
    except VaultFault as fault:
        found.told.append(wrong(fault.message, "Check the vault, and try again."))
    return found


async def _examine(
    found: _Examined,
    server: VaultServer,
    token: Token,
    role: VaultRoleConfig,
    rights: Mapping[str, frozenset[str]] | None,
) -> None:
    path, right = needed(role)
    allowed = rights is None or may(rights, path, right)
    if not allowed:
        step = rights_added(policy_of(token), [(path, right)])
        found.told.append(wrong(f"credentials' tokens may not {right} {path}", step))
    mount = await _mount(server, token, path)
    if mount is None:
        # A token without a right below it isn't told, either.
        if allowed:
            or_right = "" if rights is not None else f", or credentials' tokens may not {right} {path}"
            step = f"vault secrets enable -path={role.path}{_version(role)} {role.engine}"
            found.told.append(wrong(f"no engine is mounted at {role.path}{or_right}", step))
        return
    misplaced = _of_mount(role, mount)
    if misplaced is not None:
        found.told.append(misplaced)
        return
    found.told += check_mount(role, mount_config(mount))
    await _examine_definition(found, server, token, role, mount)


async def _examine_definition(
    found: _Examined, server: VaultServer, token: Token, role: VaultRoleConfig, mount: Mapping[str, Any]
) -> None:
    definition = DEFINITIONS[role.engine]
    path = definition.path(role)
    try:
        data = await read(server, token, path)
    except VaultFault as fault:
        if fault.status == FORBIDDEN:
            found.unread = path
        elif fault.status == NOT_FOUND:
            found.told.append(wrong(f"there is no {path}", definition.make(role)))
        else:
            raise
        return
    found.told += definition.check(role, data, mount_config(mount))


async def _mount(server: VaultServer, token: Token, path: str) -> Mapping[str, Any] | None:
    """Return what a vault says of the mount of a path; ``None`` if there is none, or the token has no right below it."""
    try:
        return await read(server, token, f"{MOUNTS}/{path}")
    except VaultFault as fault:
        if fault.status == FORBIDDEN:
            return None
        raise


def _of_mount(role: VaultRoleConfig, mount: Mapping[str, Any]) -> Told | None:
    if mount.get("path") != f"{role.path}/":
        message = f"no engine is mounted at {role.path}, but at {quoted(str(mount.get('path'))[:100])}"
        return wrong(message, "Set mount of the role to that, if it is the one that is meant.")
    kind = mount.get("type")
    if kind != role.engine and (role.engine, kind) != _OLD_NAME:
        message = f"{role.path} is an engine of the type {quoted(str(kind)[:100])}, and not {role.engine}"
        return wrong(message, "Set engine and mount of the role to what is meant.")
    options = mount.get("options")
    if role.engine == "kv" and not (isinstance(options, dict) and options.get("version") == "2"):
        message = f"{role.path} is a kv engine of version 1, and version 2 is read"
        return wrong(message, f"vault kv enable-versioning {role.path}")
    return None


def _version(role: VaultRoleConfig) -> str:
    return " -version=2" if role.engine == "kv" else ""


def _listed(names: Iterable[str]) -> str:
    given = list(names)
    shown = ", ".join(given[:_MOST_NAMED])
    return f"{shown} and {len(given) - _MOST_NAMED} more" if len(given) > _MOST_NAMED else shown
