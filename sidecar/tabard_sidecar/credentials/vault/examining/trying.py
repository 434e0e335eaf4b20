"""Tries configured roles for `tabard doctor --try`: obtains a credential of each, and ends it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING

from tabard.handles import login_handle

from tabard_sidecar.credentials.vault.conf import KIND
from tabard_sidecar.credentials.vault.examining.asking import SEE
from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.credentials.vault.tokens import NEWBORN_SECONDS
from tabard_sidecar.model import (
    Agent,
    CredentialRequest,
    IntentSource,
    Subject,
    Task,
    ToolCall,
    VerifiedGrant,
)
from tabard_sidecar.util.findings import Finding, ok, problem, warning
from tabard_sidecar.util.ids import new_id

if TYPE_CHECKING:
    from tabard_sidecar.credentials.vault.conf import VaultRoleConfig
    from tabard_sidecar.credentials.vault.replies import Obtained, Token
    from tabard_sidecar.credentials.vault.server import VaultServer

_NOBODY = "tabard-doctor"
NAME = login_handle(issuer=_NOBODY, subject=_NOBODY, task_id=_NOBODY, agent_id=_NOBODY)
"""Under which the vault and its backends see what an examination makes: handles of a person who doesn't exist."""
META = {"tabard_task": _NOBODY}


async def try_roles(server: VaultServer, what: str, names: Collection[str]) -> AsyncIterator[Finding]:
    """Obtain and end a credential of each named role that this vault has."""
    for name, role in server.config.roles.items():
        if name in names:
            yield await _tried(server, f"{what}.{name}.try", name, role)


async def _tried(server: VaultServer, what: str, name: str, role: VaultRoleConfig) -> Finding:
    try:
        token = await server.make_token(NAME, META)
    except VaultFault as fault:
        return problem(what, fault.message, f"Mend the token role first; {SEE}.")
    try:
        obtained = await server.try_role(token, role, _request(name, role), NEWBORN_SECONDS)
    except VaultFault as fault:
        if fault.answered:
            await server.end_trial(token)
            return problem(what, fault.message, f"The vault's log says more; {SEE}.")
        # Without its token, what an engine makes that is still at work would last for as long as its role lets it.
        return problem(
            what,
            f"{fault.message}; an engine may still be at work, so its token is left to end by itself",
            f"What it makes ends with the token, within {NEWBORN_SECONDS} s; the vault's log says more; {SEE}.",
        )
    return await _told(server, what, token, obtained)


async def _told(server: VaultServer, what: str, token: Token, obtained: Obtained) -> Finding:
    got = f"obtained {', '.join(obtained.fields)}"
    if not await server.end_trial(token):
        return warning(
            what, f"{got}, but it couldn't be ended", f"It ends by itself within {NEWBORN_SECONDS} s."
        )
    if obtained.lease_id or not obtained.seconds:
        return ok(what, f"{got}{', and ended it' if obtained.lease_id else ''}")
    return ok(what, f"{got}, which nothing takes back: it is good for {obtained.seconds:.0f} s")


def _request(name: str, role: VaultRoleConfig) -> CredentialRequest:
    """Return a request of a person who doesn't exist, for whatever an engine puts into a credential."""
    now = time.time()
    ends = now + NEWBORN_SECONDS
    task = Task(_NOBODY, _NOBODY, "", IntentSource.ASSERTED, now, ends)
    return CredentialRequest(
        credential_id=new_id(),
        decision_id=_NOBODY,
        kind=KIND,
        audience=role.audiences[0],
        scopes=(),
        issued_at=now,
        expires_at=ends,
        uses=0,
        role=name,
        agent=Agent(_NOBODY, _NOBODY),
        grant=VerifiedGrant(
            digest="",
            key_id="",
            zone=_NOBODY,
            root_id=_NOBODY,
            root_holder=_NOBODY,
            subject=Subject(_NOBODY, _NOBODY),
            task=task,
            root_caveats=(),
            links=(),
            caveats=(),
            expires_at=ends,
        ),
        call=ToolCall(_NOBODY, "", {}, b"{}", ""),
    )
