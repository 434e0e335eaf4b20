"""Examines the set-up of a vault for `tabard doctor`: logins, what they bind, and the role of credentials' tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from tabard_sidecar.credentials.quoting import quoted
from tabard_sidecar.credentials.vault.faults import FORBIDDEN, VaultFault
from tabard_sidecar.credentials.vault.server import VaultServer
from tabard_sidecar.util.findings import Finding, ok, problem, warning

_NOT_FOUND = 404
# The audiences that every pod's own token has by default, so that they keep no other container out.
_COMMON_AUDIENCES = (
    "https://kubernetes.default.svc",
    "https://kubernetes.default.svc.cluster.local",
    "api",
    "vault",
)
_SEE = "docs/vault.md has the commands"


async def examine(server: VaultServer) -> AsyncIterator[Finding]:
    """Yield what is found about one vault; nothing is changed there, and no secret is read."""
    what, config = f"vault.{server.name}", server.config
    try:
        await server.log_in()
    except VaultFault as fault:
        yield problem(f"{what}.auth", fault.message, _login_step(fault))
        return
    yield ok(f"{what}.auth", f"logged in at {config.address} by {config.auth.method}")
    yield await _audience(server, f"{what}.auth.role")
    async for found in _token_role(server, f"{what}.token_role"):
        yield found
    yield await _reaper(server, f"{what}.reaper")


def _login_step(fault: VaultFault) -> str:
    if fault.code == "vault_unavailable":
        return (
            "Check the address, the vault's certificate (ca_file), and that it is unsealed: `vault status`."
        )
    return f"Check mount, role and the token or secret id that the sidecar presents; {_SEE}."


async def _audience(server: VaultServer, what: str) -> Finding:
    """Check that the agent, which shares the sidecar's service account, can't log in with a token of its own."""
    auth = server.config.auth
    if auth.method == "approle":
        return ok(what, "an AppRole: every reader of secret_id_file can log in, so keep it to the sidecar")
    path = f"auth/{auth.path}/role/{auth.role}"
    role, refused = await _read(server, what, path)
    if refused is not None:
        return refused
    bound = role.get("bound_audiences") if auth.method == "jwt" else role.get("audience")
    audiences = _words(bound)
    if not audiences:
        field = "bound_audiences" if auth.method == "jwt" else "audience"
        return problem(
            what,
            f"the role {auth.role} binds no audience, so any token of the service account logs in: the agent's, too",
            f"vault write {path} … {field}=tabard-vault, and project the sidecar's token for that audience; {_SEE}.",
        )
    common = [audience for audience in audiences if audience in _COMMON_AUDIENCES]
    if common:
        return problem(
            what,
            f"the role {auth.role} accepts the audience {quoted(common[0])}, which other tokens of the pod may have",
            f"Bind an audience that only the sidecar's token has; {_SEE}.",
        )
    return ok(what, f"binds the audience {quoted(', '.join(audiences))}")


async def _token_role(server: VaultServer, what: str) -> AsyncIterator[Finding]:
    name = server.config.token_role
    role, refused = await _read(server, what, f"auth/token/roles/{name}")
    if refused is not None:
        yield refused
        return
    write = f"vault write auth/token/roles/{name} …"
    policies = _words(role.get("allowed_policies"))
    wrong = [
        (not role.get("orphan"), "makes no orphans, so credentials end with the sidecar's login", "orphan=true"),
        (not role.get("renewable", True), "makes tokens that can't be renewed", "renewable=true"),
        (
            bool(role.get("token_period") or role.get("period")),
            "has a period, so a token that isn't extended lives longer than 30 s",
            "token_period=0",
        ),
        (
            role.get("token_type") not in ("service", "default-service", "default", None),
            "makes batch tokens, which can't be revoked",
            "token_type=service",
        ),
        (not policies, "names no policies, so tokens get those of the sidecar", "allowed_policies=tabard-credentials"),
        ("root" in policies, "allows the policy root", "allowed_policies=tabard-credentials"),
        ("default" in policies, "allows the policy default", "allowed_policies=tabard-credentials"),
        (bool(role.get("allowed_policies_glob")), "allows policies by pattern", "allowed_policies_glob="),
        (bool(role.get("token_num_uses")), "makes tokens for some uses only", "token_num_uses=0"),
    ]  # fmt: skip
    found = False
    for is_wrong, message, step in wrong:
        if is_wrong:
            found = True
            yield problem(what, f"the token role {name} {message}", f"{write} {step}; {_SEE}.")
    if not (role.get("token_explicit_max_ttl") or role.get("explicit_max_ttl")):
        found = True
        yield warning(
            what,
            f"the token role {name} sets no longest life",
            f"{write} token_explicit_max_ttl=1h bounds every credential, whatever asks for it.",
        )
    if not found:
        yield ok(what, f"makes renewable orphans with {quoted(', '.join(policies))}")


def _words(value: object) -> list[str]:
    """Return the strings that a vault lists; none if it lists anything else, so that what is unreadable counts as missing."""
    listed = [value] if isinstance(value, str) and value else value
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        return []
    return listed


async def _reaper(server: VaultServer, what: str) -> Finding:
    reaper = server.config.reaper
    if reaper is None:
        return warning(
            what,
            "no identity is configured that ends what a killed sidecar obtained: it lasts until it expires",
            f"Set {what}; {_SEE}.",
        )
    try:
        await server.log_in_reaper()
    except VaultFault as fault:
        return problem(what, fault.message, _login_step(fault))
    return ok(what, f"logged in by {reaper.method}")


async def _read(server: VaultServer, what: str, path: str) -> tuple[Mapping[str, Any], Finding | None]:
    """Return what stands at a path, or what to say if it can't be read."""
    try:
        found = await server.read(path)
    except VaultFault as fault:
        if fault.status == FORBIDDEN:
            step = f'Add to the policy of the sidecar: path "{path}" {{ capabilities = ["read"] }}; {_SEE}.'
            return {}, warning(what, f"{path} can't be read, so it isn't examined", step)
        if fault.status == _NOT_FOUND:
            return {}, problem(what, f"there is no {path}", f"Make it; {_SEE}.")
        return {}, problem(what, fault.message, _login_step(fault))
    data = found.get("data")
    if not isinstance(data, Mapping):
        return {}, problem(
            what, f"the reply for {path} holds no data", "Check that the address is that of a vault."
        )
    return data, None
