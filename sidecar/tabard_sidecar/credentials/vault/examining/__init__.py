"""Examines the set-up of a vault for `tabard doctor`: logins, what each token may do, the token role, and the configured roles.

One token is made as those of credentials are, and ended at once. Without ``tries`` no secret is read and no lease is made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from typing import TYPE_CHECKING

from tabard_sidecar.credentials.vault.examining.asking import SEE
from tabard_sidecar.credentials.vault.examining.commands import policies_of_login, rights_added
from tabard_sidecar.credentials.vault.examining.excesses import everywhere, making, reaping, secrets
from tabard_sidecar.credentials.vault.examining.logins import examine_who, login_step
from tabard_sidecar.credentials.vault.examining.reaper import examine_reaper, log_in_reaper
from tabard_sidecar.credentials.vault.examining.rights import Limits, examine_rights, policy_of
from tabard_sidecar.credentials.vault.examining.roles import examine_roles
from tabard_sidecar.credentials.vault.examining.token_role import examine_token_role
from tabard_sidecar.credentials.vault.examining.trying import META, NAME, try_roles
from tabard_sidecar.credentials.vault.faults import FORBIDDEN, VaultFault
from tabard_sidecar.util.findings import Finding, Severity, ok, problem, warning

if TYPE_CHECKING:
    from tabard_sidecar.credentials.vault.replies import Token
    from tabard_sidecar.credentials.vault.server import VaultServer

_POLICY = "tabard"
NONE_TAKEN: Mapping[str, str] = {}
"""No audience is known to be others'."""
# A credential's token is extended when its answer leaves, and ended with itself.
_NEEDS = (("auth/token/renew-self", "update"), ("auth/token/revoke-self", "update"))


async def examine(
    server: VaultServer, tries: Collection[str] = (), taken: Mapping[str, str] = NONE_TAKEN
) -> AsyncIterator[Finding]:
    """Yield what is found about one vault.

    Args:
        server: the vault.
        tries: roles of which a credential is to be obtained and ended.
        taken: audiences that others' tokens have, with whose they are; a login that accepts one lets others in.
    """
    async for found in _examine(server, tries, taken):
        yield found
    for name, token in server.logins():
        if not await server.end_trial(token):
            yield warning(
                f"vault.{server.name}.{name}.logout",
                f"the login that was made for this couldn't be ended; it lasts for {token.seconds:.0f} s",
                rights_added(policy_of(token), [("auth/token/revoke-self", "update")]),
            )


async def _examine(
    server: VaultServer, tries: Collection[str], taken: Mapping[str, str]
) -> AsyncIterator[Finding]:
    what, config = f"vault.{server.name}", server.config
    try:
        own = await server.log_in()
    except VaultFault as fault:
        yield problem(f"{what}.auth", fault.message, login_step(fault, config.auth, _POLICY))
        return
    if own is None:
        yield problem(f"{what}.auth", "the vault refuses the token that it gave", f"Try again; {SEE}.")
        return
    yield ok(f"{what}.auth", f"logged in at {config.address} by {config.auth.method}")
    async for found in examine_who(server, f"{what}.auth.role", config.auth, (own, own), taken):
        yield found
    step = (
        f"Write the policy {_POLICY} as docs/vault.md has it, then {policies_of_login(config.auth, _POLICY)}"
    )
    excesses = [*everywhere(config), reaping(), *secrets(config)]
    yield await examine_rights(server, f"{what}.auth.rights", own, Limits(excesses, step))
    reaper, failed = await log_in_reaper(server, f"{what}.reaper")
    if reaper is not None and config.reaper is not None:
        async for found in examine_who(server, f"{what}.reaper.role", config.reaper, (own, reaper), taken):
            yield found
    logins = {*own.policies, *(reaper.policies if reaper is not None else ())} - {"default"}
    async for found in examine_token_role(server, f"{what}.token_role", own, logins):
        yield found
    async for found in _with_token(server, what, reaper):
        yield found
    if failed is not None:
        yield failed
    async for found in try_roles(server, f"{what}.roles", tries):
        yield found


async def _with_token(server: VaultServer, what: str, reaper: Token | None) -> AsyncIterator[Finding]:
    """Yield what is found with a token as those of credentials are, and whether the reaper can end it."""
    token, ended = None, False
    try:
        token = await server.make_token(NAME, META)
    except VaultFault as fault:
        yield problem(f"{what}.token_role.try", fault.message, _create_step(fault))
    if token is not None:
        async for found in _examine_token(server, what, token):
            yield found
    if reaper is not None:
        async for found in examine_reaper(server, f"{what}.reaper", reaper, token):
            yield found
            ended = ended or (found.what == f"{what}.reaper" and found.severity is Severity.OK)
    if token is not None and not ended:
        await server.end_trial(token)


async def _examine_token(server: VaultServer, what: str, token: Token) -> AsyncIterator[Finding]:
    """Yield what is found with a token as those of credentials are."""
    config = server.config
    excesses = [*everywhere(config), making(config), reaping()]
    step = f"Take that out of the policies of the token role {config.token_role}; docs/vault.md has what they need."
    yield await examine_rights(server, f"{what}.token_role.rights", token, Limits(excesses, step, _NEEDS))
    async for found in examine_roles(server, f"{what}.roles", token):
        yield found


def _create_step(fault: VaultFault) -> str:
    if fault.status == FORBIDDEN:
        return "Write the policy of the sidecar as docs/vault.md has it: it must allow to make tokens by the token role."
    return f"Mend the token role; {SEE}."
