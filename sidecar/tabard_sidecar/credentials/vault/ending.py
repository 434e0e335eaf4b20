"""Ends credentials in their vaults when something that they depend on is revoked, whichever sidecar obtained them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.credentials.vault.tokens import NEWBORN_SECONDS
from tabard_sidecar.state import RevocationKind
from tabard_sidecar.state.leases import LeaseTarget

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tabard_sidecar.credentials.vault.issuer import VaultIssuer
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.state import Revocation
    from tabard_sidecar.state.leases import Lease, LeaseJournal

_AT_ONCE = 16
_OWNER_SECONDS = 0.5
_SWEEP_AFTER_SECONDS = 5.0
_MOST_AT_ONCE = 1_000
_DATED = {RevocationKind.SUBJECT, RevocationKind.STATE}
_log = logging.getLogger(__name__)


class NotEndedError(Exception):
    """Some credentials could not be ended; the message says how many and why."""


class LeaseEnding:
    """Ends credentials that a revocation concerns (:class:`~tabard_sidecar.revocation.LeaseHook`).

    The sidecar that obtained a credential ends it at once, with its own token. The others give it half a second; what is
    noted after that they end by its accessor, if an identity for that is configured (``reaper``).

    Args:
        issuer: knows the credentials of this process and the vaults.
        journal: knows those of the zone.
        clock: time in seconds since the epoch.
    """

    name = "vault"

    def __init__(self, issuer: VaultIssuer, journal: LeaseJournal, *, clock: Clock) -> None:
        self._issuer = issuer
        self._journal = journal
        self._clock = clock

    def take(self, revocation: Revocation) -> None:
        """Let no credential be given any more that a revocation ends. Called at once, before :meth:`revoked`."""
        if revocation.expires_at > self._clock():
            self._issuer.doom(revocation)

    async def revoked(self, revocation: Revocation) -> None:
        """End everything that depends on the revoked target; see :class:`~tabard_sidecar.revocation.LeaseHook`.

        Raises:
            NotEndedError: something couldn't be ended.
            NoDecision: the state store is unavailable.
        """
        await self._end(await self._concerned(revocation), own=True)
        others = await self._concerned(revocation)
        if others:
            await asyncio.sleep(_OWNER_SECONDS)
            await self._end(await self._concerned(revocation), own=False)

    async def sweep(self) -> None:
        """End what is revoked and still noted: of a sidecar that was killed, or noted just after the revocation.

        Raises:
            NotEndedError: something couldn't be ended.
            NoDecision: the state store is unavailable.
        """
        after, failed = "", []
        while True:
            now = self._clock()
            page = await self._journal.revoked_leases(now=now, after=after)
            old = [lease for lease in page.leases if lease.created_at <= now - _SWEEP_AFTER_SECONDS]
            try:
                await self._end(old, own=False)
            except NotEndedError as error:
                failed.append(str(error))
            after = page.after
            if not after:
                break
        if failed:
            raise NotEndedError(failed[0])

    async def _concerned(self, revocation: Revocation) -> Sequence[Lease]:
        """Return the noted leases of configured vaults that a revocation ends."""
        now = self._clock()
        if revocation.kind is RevocationKind.STATE:
            found: Sequence[Lease] = (await self._journal.revoked_leases(now=now, limit=_MOST_AT_ONCE)).leases
        else:
            target = LeaseTarget(revocation.kind, revocation.target)
            found = await self._journal.leases_of(target, now=now, limit=_MOST_AT_ONCE)
        return [
            lease
            for lease in found
            if lease.source in self._issuer.servers
            and (revocation.kind not in _DATED or lease.task_started_at <= revocation.at)
        ]

    async def _end(self, leases: Iterable[Lease], *, own: bool) -> None:
        """End leases, with ``own`` only those that this process obtained.

        Raises:
            NotEndedError: some couldn't be ended.
        """
        places = asyncio.Semaphore(_AT_ONCE)
        problems: list[str] = []

        async def end(lease: Lease) -> None:
            async with places:
                try:
                    if await self._ended(lease, own=own):
                        await self._journal.end_lease(lease.lease_id)
                except VaultFault as fault:
                    problems.append(f"vault.{lease.source}: {fault.message}")

        await asyncio.gather(*map(end, leases))
        if problems:
            raise NotEndedError(f"{len(problems)} credential(s) not ended: {problems[0]}")

    async def _ended(self, lease: Lease, *, own: bool) -> bool:
        """End a lease, if this process can; return True if the vault has ended it.

        Raises:
            VaultFault: the vault can't be reached, or refuses.
        """
        server = self._issuer.servers.get(lease.source)
        if server is None:
            return False
        live = self._issuer.live.get(lease.lease_id)
        if live is not None and live.issued is None:
            # It is being obtained, and is withdrawn then. A vault that makes a login for a token that ends meanwhile may
            # keep the login.
            return False
        if live is not None and live.token is not None:
            await server.revoke(live.token)
            self._issuer.live.forget(lease.lease_id)
            return True
        if own or lease.expires_at - lease.created_at <= NEWBORN_SECONDS:
            # Another sidecar obtains it right now, or was killed meanwhile; then it ends by itself.
            return False
        if not await server.revoke_accessor(lease.accessor):
            _log.warning(
                "lease_of_another_sidecar",
                extra={"credential_id": lease.lease_id, "next": f"configure vault.{lease.source}.reaper"},
            )
            return False
        return True
