"""Examines who can log in as the sidecar."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tabard_sidecar.credentials.quoting import quoted
from tabard_sidecar.credentials.vault.examining.asking import NOT_FOUND, SEE, read
from tabard_sidecar.credentials.vault.examining.commands import policies_of_login, rights_added, role_of_login
from tabard_sidecar.credentials.vault.examining.rights import policy_of
from tabard_sidecar.credentials.vault.faults import FORBIDDEN, VaultFault
from tabard_sidecar.util.findings import Finding, ok, problem, warning

if TYPE_CHECKING:
    from tabard_sidecar.credentials.vault.conf import AuthConfig
    from tabard_sidecar.credentials.vault.replies import Token
    from tabard_sidecar.credentials.vault.server import VaultServer

_ROOT = re.compile(r"\broot (?:token|policy)|policy root\b")
# The audiences that every pod's own token has by default, so that they keep no other container out.
_COMMON_AUDIENCES = (
    "https://kubernetes.default.svc",
    "https://kubernetes.default.svc.cluster.local",
    "api",
    "vault",
)


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


async def examine_audience(server: VaultServer, what: str, token: Token) -> Finding:
    """Check that the agent, which shares the sidecar's service account, can't log in with a token of its own."""
    auth = server.config.auth
    if auth.method == "approle":
        return ok(what, "an AppRole: every reader of secret_id_file can log in, so keep it to the sidecar")
    path = f"auth/{auth.path}/role/{auth.role}"
    role, refused = await read_or_tell(server, what, token, path)
    if refused is not None:
        return refused
    field = "bound_audiences" if auth.method == "jwt" else "audience"
    audiences = words(role.get(field))
    step = f"{role_of_login(auth)} {field}=tabard-vault, and project the sidecar's token for that audience; {SEE}."
    if not audiences:
        return problem(
            what,
            f"the role {auth.role} binds no audience, so any token of the service account logs in: the agent's, too",
            step,
        )
    common = [audience for audience in audiences if audience in _COMMON_AUDIENCES]
    if common:
        return problem(
            what,
            f"the role {auth.role} accepts the audience {quoted(common[0])}, which other tokens of the pod may have",
            step,
        )
    return ok(what, f"binds the audience {quoted(', '.join(audiences))}")


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


def words(value: object) -> list[str]:
    """Return the strings that a vault lists; none if it lists anything else, so that what is unreadable counts as missing."""
    listed = [value] if isinstance(value, str) and value else value
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        return []
    return listed
