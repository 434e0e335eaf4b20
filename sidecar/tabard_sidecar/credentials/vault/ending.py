"""Ends credentials in their vaults when something that they depend on is revoked, whichever sidecar obtained them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tabard_sidecar.credentials.ending_rounds import Rounds
from tabard_sidecar.credentials.noted import NotedLeases
from tabard_sidecar.credentials.vault.faults import FORBIDDEN, VaultFault
from tabard_sidecar.credentials.vault.tokens import NEWBORN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tabard_sidecar.credentials.ending_rounds import Round
    from tabard_sidecar.credentials.vault.issuer import VaultIssuer
    from tabard_sidecar.credentials.vault.live import LiveCredential
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.state import Revocation
    from tabard_sidecar.state.leases import Lease, LeaseJournal

_log = logging.getLogger(__name__)


class NotEndedError(Exception):
    """Some credentials could not be ended; the message says how many and why."""


class LeaseEnding:
    """Ends credentials that a revocation concerns (:class:`~tabard_sidecar.revocation.LeaseHook`).

    The sidecar that obtained a credential ends it at once, with its own token, which it has in memory: the journal may have
    lost it. The others give it half a second; what is noted after that they end by its accessor, if an identity for that is
    configured (``reaper``).

    Args:
        issuer: knows the credentials of this process and the vaults.
        journal: knows those of the zone.
        clock: time in seconds since the epoch.
    """

    name = "vault"

    def __init__(self, issuer: VaultIssuer, journal: LeaseJournal, *, clock: Clock) -> None:
        self._issuer = issuer
        self._journal = journal
        self._rounds = Rounds(issuer.servers)
        self._noted = NotedLeases(journal, clock=clock)
        self._clock = clock

    def take(self, revocation: Revocation) -> None:
        """Let no credential be given any more that a revocation ends. Called at once, before :meth:`revoked`."""
        if revocation.expires_at > 0:
            self._issuer.doom(revocation)

    async def revoked(self, revocation: Revocation) -> None:
        """End everything that depends on the revoked target; see :class:`~tabard_sidecar.revocation.LeaseHook`.

        Raises:
            NotEndedError: something couldn't be ended.
            NoDecision: the state store is unavailable.
        """
        own = self._issuer.live.ended_by(revocation)

        async def at(vault: str, now: Round) -> None:
            await now.each(
                self._end_live, {live.kept.credential_id: live for live in own if live.vault == vault}
            )
            if now.over:
                return
            async for leases in self._noted.unended(revocation, vault):
                await now.each(self._end_lease, self._of_others(leases))
                if now.over:
                    return

        _check(await self._rounds.run(at))

    def obstacle(self, lease: Lease) -> str | None:
        """Tell why this sidecar can't end a lease, or return the empty string; ``None`` for a source that it doesn't know."""
        server = self._issuer.servers.get(lease.source)
        if server is None:
            return None
        newborn = lease.expires_at - lease.created_at <= NEWBORN_SECONDS
        if newborn or server.config.reaper is not None or self._issuer.live.get(lease.lease_id) is not None:
            return ""
        return f"this one has no vault.{lease.source}.reaper"

    async def sweep(self) -> None:
        """End what is revoked and still noted: of a sidecar that was killed, or noted just after the revocation.

        Raises:
            NotEndedError: something couldn't be ended.
            NoDecision: the state store is unavailable.
        """
        _check(await self._rounds.run(self._sweep))

    async def _sweep(self, vault: str, now: Round) -> None:
        async for leases in self._noted.left(vault):
            others = self._of_others(leases)
            own = {lease.lease_id: self._issuer.live.get(lease.lease_id) for lease in leases}
            await now.each(self._end_live, {name: live for name, live in own.items() if live is not None})
            await now.each(self._end_lease, others)
            if now.over:
                return

    def _of_others(self, leases: Iterable[Lease]) -> dict[str, Lease]:
        """Return the leases that this process doesn't know, by their ids."""
        return {lease.lease_id: lease for lease in leases if self._issuer.live.get(lease.lease_id) is None}

    async def _end_live(self, live: LiveCredential) -> str:
        """End a credential of this process by its own token; return why it couldn't be, or the empty string.

        Raises:
            NoDecision: the state store is unavailable.
        """
        if live.token is None or live.issued is None:
            # It is being obtained, and is withdrawn then. A vault that makes a login for a token that ends meanwhile may
            # keep the login.
            return ""
        if not live.ended:
            try:
                await self._issuer.servers[live.vault].revoke(
                    live.token, live.source_id, extended=live.extended
                )
            except VaultFault as fault:
                # A token that ended by itself is refused.
                if fault.status != FORBIDDEN or live.ends_at > self._clock():
                    return f"vault.{live.vault}: {fault.message}"
            live.ended = True
        if live.journaled:
            await self._journal.end_lease(live.kept.credential_id)
        if live.given:
            self._issuer.live.forget(live.kept.credential_id)
        # Otherwise what gives or withdraws it learns that it was issued, and has ended.
        return ""

    async def _end_lease(self, lease: Lease) -> str:
        """End a lease of another process by its accessor, if an identity for that is configured.

        Returns why it couldn't be: the vault can't be reached, refuses, or isn't the one that made the token.

        Raises:
            NoDecision: the state store is unavailable.
        """
        if lease.expires_at - lease.created_at <= NEWBORN_SECONDS:
            # Another sidecar obtains it right now, or was killed meanwhile; then it ends by itself.
            return ""
        try:
            ended = await self._issuer.servers[lease.source].revoke_accessor(lease.accessor, lease.source_id)
        except VaultFault as fault:
            return f"vault.{lease.source}: {fault.message}"
        if ended:
            await self._journal.end_lease(lease.lease_id)
        elif lease.expires_at > self._clock():
            _log.warning(
                "lease_of_another_sidecar",
                extra={"credential_id": lease.lease_id, "next": f"configure vault.{lease.source}.reaper"},
            )
        return ""


def _check(problem: str) -> None:
    if problem:
        raise NotEndedError(problem)
