"""Notes exchanged tokens in the zone's journal, sealed, so that every sidecar of the zone can have them revoked."""

from __future__ import annotations

from base64 import b85decode, b85encode
from typing import TYPE_CHECKING

from tabard_sidecar.state.leases import EXCHANGE, Lease
from tabard_sidecar.util.sealing import SealError, SealingKeys, seal, unseal

if TYPE_CHECKING:
    from tabard_sidecar.credentials.exchange.live import Exchange
    from tabard_sidecar.model import CredentialRequest
    from tabard_sidecar.state.leases import LeaseJournal


def source_of(server: str) -> str:
    """Return the source of a server's tokens, from its configured name."""
    return f"{EXCHANGE}{server}"


class TokenJournal:
    """Notes tokens of servers that revoke, and opens what another sidecar noted. No token is stored in the clear.

    Args:
        journal: the zone's journal.
        keys: encrypt what is noted.
    """

    def __init__(self, journal: LeaseJournal, keys: SealingKeys) -> None:
        self.leases = journal
        self._keys = keys

    async def note(self, exchange: Exchange, request: CredentialRequest, now: float) -> None:
        """Note a token before its answer leaves. Durable.

        Raises:
            NoDecision: the state store is unavailable.
        """
        kept, task = exchange.kept, request.grant.task
        source, source_id = source_of(exchange.server.name), exchange.server.source_id
        purpose = _purpose(source, source_id, request.credential_id)
        sealed = seal(self._keys, exchange.token.encode(), purpose)
        await self.leases.add_lease(
            Lease(
                lease_id=request.credential_id,
                source=source,
                role=request.audience,
                accessor=b85encode(sealed).decode(),
                source_id=source_id,
                root_id=kept.root_id,
                link_id=kept.holder_id,
                task_id=task.id,
                task_started_at=task.started_at,
                holder=request.grant.holder,
                subject=kept.subject,
                created_at=now,
                expires_at=exchange.ends_at,
                targets=tuple(sorted(kept.targets)),
            )
        )

    def open(self, lease: Lease) -> str | None:
        """Return the token of a lease; ``None`` if its key is gone, or it was changed."""
        try:
            sealed = b85decode(lease.accessor)
            return unseal(
                self._keys, sealed, _purpose(lease.source, lease.source_id, lease.lease_id)
            ).decode()
        except (SealError, ValueError):
            return None


def _purpose(source: str, source_id: str, credential_id: str) -> bytes:
    return f"{source}\n{source_id}\n{credential_id}".encode()
