"""Examines who can log in as the sidecar, and as the reaper."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from tabard_sidecar.credentials.quoting import quoted
from tabard_sidecar.credentials.vault.examining.asking import NOT_FOUND, SEE, read
from tabard_sidecar.credentials.vault.examining.bindings import (
    audience_field,
    audiences_of,
    of_audience,
    of_workload,
)
from tabard_sidecar.credentials.vault.examining.commands import policies_of_login, rights_added, role_of_login
from tabard_sidecar.credentials.vault.examining.rights import policy_of
from tabard_sidecar.credentials.vault.faults import FORBIDDEN, VaultFault
from tabard_sidecar.util.findings import Finding, ok, problem, warning

if TYPE_CHECKING:
    from tabard_sidecar.credentials.vault.conf import AuthConfig
    from tabard_sidecar.credentials.vault.replies import Token
    from tabard_sidecar.credentials.vault.server import VaultServer

_ROOT = re.compile(r"\broot (?:token|policy)|policy root\b")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def login_step(fault: VaultFault, auth: AuthConfig, policy: str) -> str:
    """Return how to mend a login that failed; ``policy`` is the one that it is to have."""
    if fault.code == "vault_unavailable":
        return (
            "Check the address, the vault's certificate (ca_file), and that it is unsealed: `vault status`."
        )
    # A vault gives no login the policy root; a token that has it all the same is refused.
    if _ROOT.search(fault.message):
        return f"{policies_of_login(auth, policy)}; {SEE}."
    return f"Check mount, role and the token or secret id that the sidecar presents; {SEE}."


async def examine_who(
    server: VaultServer, what: str, auth: AuthConfig, tokens: tuple[Token, Token], taken: Mapping[str, str]
) -> AsyncIterator[Finding]:
    """Check that only the sidecar can log in: no other workload, and not the agent, which shares the service account.

    Args:
        server: the vault.
        what: what is examined, for messages.
        auth: the login.
        tokens: one that may read the login's role, and the login's own.
        taken: audiences that others' tokens have, with whose they are.
    """
    reading, own = tokens
    try:
        name = auth.role or await _role_of(server, own)
    except VaultFault as fault:
        yield problem(what, fault.message, "Check that the address is that of a vault, and try again.")
        return
    if not name:
        yield warning(
            what,
            "the vault doesn't tell which role the login has, so who can log in isn't examined",
            rights_added(policy_of(own), [("auth/token/lookup-self", "read")]),
        )
        return
    role, refused = await read_or_tell(server, what, reading, f"auth/{auth.path}/role/{name}")
    if refused is not None:
        yield refused
        return
    found = [*of_workload(auth, role)]
    if auth.method != "approle":
        found += of_audience(auth, role, taken)
    for one in found:
        make = warning if one.doubtful else problem
        yield make(what, f"the role {name} {one.message}", _step(auth, name, one.fields))
    if not found:
        yield ok(what, _bound(auth, role))


def _step(auth: AuthConfig, name: str, fields: str) -> str:
    project = ""
    if fields.startswith(f"{audience_field(auth)}="):
        project = ", with an audience that no other token has, for which the sidecar's token is projected"
    return f"{role_of_login(auth, name)} {fields}{project}; {SEE}."


def _bound(auth: AuthConfig, role: Mapping[str, Any]) -> str:
    if auth.method == "approle":
        return "an AppRole: every reader of secret_id_file can log in, so keep it to the sidecar"
    return f"binds the audience {quoted(', '.join(audiences_of(auth, role)))}, and one workload"


async def _role_of(server: VaultServer, token: Token) -> str:
    """Return the role of an AppRole's login, of which the configuration knows the id only; empty if the vault doesn't tell."""
    try:
        found = (await read(server, token, "auth/token/lookup-self")).get("meta")
    except VaultFault as fault:
        if fault.status == FORBIDDEN:
            return ""
        raise
    name = found.get("role_name") if isinstance(found, dict) else None
    return name if isinstance(name, str) and _NAME.fullmatch(name) else ""


async def read_or_tell(
    server: VaultServer, what: str, token: Token, path: str
) -> tuple[Mapping[str, Any], Finding | None]:
    """Return what stands at a path of the set-up, or what to say if it can't be read."""
    try:
        return await read(server, token, path), None
    except VaultFault as fault:
        if fault.status == FORBIDDEN:
            step = rights_added(policy_of(token), [(path, "read")])
            return {}, warning(what, f"{path} can't be read, so it isn't examined", step)
        if fault.status == NOT_FOUND:
            return {}, problem(what, f"there is no {path}", f"Make it; {SEE}.")
        return {}, problem(what, fault.message, "Check that the address is that of a vault, and try again.")
