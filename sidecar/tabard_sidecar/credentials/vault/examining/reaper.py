"""Examines the identity that ends what a killed sidecar obtained."""

from __future__ import annotations

from collections.abc import AsyncIterator
from shlex import quote
from typing import TYPE_CHECKING

from tabard_sidecar.credentials.vault.examining.asking import SEE
from tabard_sidecar.credentials.vault.examining.commands import (
    REAPER_POLICY,
    policies_of_login,
    rights_added,
)
from tabard_sidecar.credentials.vault.examining.excesses import everywhere, making, secrets
from tabard_sidecar.credentials.vault.examining.logins import login_step
from tabard_sidecar.credentials.vault.examining.rights import Limits, examine_rights, policy_of
from tabard_sidecar.credentials.vault.faults import FORBIDDEN, VaultFault
from tabard_sidecar.util.findings import Finding, ok, problem, warning

if TYPE_CHECKING:
    from tabard_sidecar.credentials.vault.replies import Token
    from tabard_sidecar.credentials.vault.server import VaultServer

POLICY = "tabard-reaper"
# Of no token, so that nothing ends if there is no token to end.
_NOBODYS = "tabard-doctor-nobodys"


async def log_in_reaper(server: VaultServer, what: str) -> tuple[Token | None, Finding | None]:
    """Return the reaper's token, or why there is none."""
    if server.config.reaper is None:
        return None, warning(
            what,
            "no identity is configured that ends what a killed sidecar obtained: it lasts until it expires",
            f"Set {what}; {SEE}.",
        )
    try:
        return await server.log_in_reaper(), None
    except VaultFault as fault:
        return None, problem(what, fault.message, login_step(fault, server.config.reaper, POLICY))


async def examine_reaper(
    server: VaultServer, what: str, token: Token, victim: Token | None
) -> AsyncIterator[Finding]:
    """Check that it can end a token, and can do nothing else.

    Args:
        server: the vault.
        what: what is examined, for messages.
        token: its token.
        victim: a token that was made to be ended; ``None`` if none could be made.
    """
    auth = server.config.reaper or server.config.auth
    try:
        known = await server.reap_trial(victim.accessor if victim is not None else _NOBODYS)
    except VaultFault as fault:
        step = f"Try again; {SEE}."
        if fault.status == FORBIDDEN:
            step = rights_added(policy_of(token), [("auth/token/revoke-accessor", "update")])
        yield problem(what, f"it can't end credentials of other sidecars: {fault.message}", step)
    else:
        if victim is None:
            yield ok(what, f"logged in by {auth.method}, and may end tokens")
        elif known:
            yield ok(what, f"logged in by {auth.method}, and ended a token that was made to be tried")
        else:
            yield problem(
                what,
                "the vault says that it doesn't know a token that it made a moment ago, so it can't end it",
                "Check that the address leads to one cluster of vaults, and to its active node.",
            )
    excesses = [*everywhere(server.config), making(server.config), *secrets(server.config)]
    step = f"vault policy write {POLICY} - <<<{quote(REAPER_POLICY)} && {policies_of_login(auth, POLICY)}"
    yield await examine_rights(server, f"{what}.rights", token, Limits(excesses, step))
