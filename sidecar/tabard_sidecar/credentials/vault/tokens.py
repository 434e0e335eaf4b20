"""The token of each credential: born with 30 seconds to live, extended when its answer leaves, revoked with its leases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvac.api.auth_methods import Token as TokenApi
from tabard.handles import login_handle

from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.credentials.vault.replies import Token, orphan_token, renewed_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tabard_sidecar.credentials.vault.transport import VaultTransport
    from tabard_sidecar.model import CredentialRequest

NEWBORN_SECONDS = 30
"""How long a token lives that isn't extended."""

_BAD_REQUEST = 400


class Tokens:
    """Makes, extends and revokes tokens of credentials. Every method asks the vault, in a thread of it.

    Args:
        transport: the way to the vault.
        role: the token role.
    """

    def __init__(self, transport: VaultTransport, role: str) -> None:
        self._transport = transport
        self._role = role

    def create(self, own: str, name: str, meta: Mapping[str, str]) -> Token:
        """Make the token of a credential with the sidecar's ``own`` token.

        Args:
            own: the sidecar's token.
            name: see :func:`handle`.
            meta: what the vault's audit log is to say of it.

        Raises:
            UnusableToken: the token role makes others than the sidecar needs.
            VaultFault: the vault can't be reached, refuses, or its reply isn't acceptable.
        """
        # hvac's own method sends further parameters, which a policy that allows these four only would refuse.
        reply = self._transport.adapter(own).post(
            f"/v1/auth/token/create/{self._role}",
            json={
                "ttl": f"{NEWBORN_SECONDS}s",
                "renewable": True,
                "display_name": name,
                "meta": meta,
            },
        )
        return orphan_token(reply, most_seconds=NEWBORN_SECONDS)

    def extend(self, token: Token, seconds: int) -> float:
        """Let a token live for ``seconds`` from now; return how long the vault lets it live.

        Raises:
            VaultFault: the vault can't be reached, or refuses.
        """
        return renewed_seconds(self._api(token.secret).renew_self(increment=f"{seconds}s"))

    def revoke(self, token: Token) -> None:
        """Revoke a token with itself, and with it all that was obtained with it.

        Raises:
            VaultFault: the vault can't be reached, fails, or refuses; a token that ended is refused as any unknown one.
        """
        self._api(token.secret).revoke_self()

    def revoke_accessor(self, reaper: str, accessor: str) -> bool:
        """Revoke a token by its accessor with the token of an identity that may; return False if the vault knows none.

        Raises:
            VaultFault: the vault can't be reached, refuses, or fails.
        """
        try:
            # A vault answers with a warning, which isn't empty, if it knows no such token.
            return not self._api(reaper).revoke_accessor(accessor)
        except VaultFault as fault:
            # While another revocation of the token runs.
            if fault.status != _BAD_REQUEST or "token not found" not in fault.message:
                raise
            return False

    def _api(self, secret: str) -> TokenApi:
        return TokenApi(self._transport.adapter(secret))


def handle(request: CredentialRequest) -> str:
    """Return the name under which the vault and its backends see a credential: handles of person, task and agent."""
    grant = request.grant
    return login_handle(
        issuer=grant.subject.issuer,
        subject=grant.subject.id,
        task_id=grant.task.id,
        agent_id=grant.holder,
    )


def meta(request: CredentialRequest) -> dict[str, str]:
    """Return what the vault's audit log says of the token: opaque ids."""
    grant = request.grant
    return {
        "tabard_zone": grant.zone,
        "tabard_task": grant.task.id,
        "tabard_link": grant.holder_id,
        "tabard_decision": request.decision_id,
        "tabard_credential": request.credential_id,
    }
