"""Obtains one credential: its token, its entry in the journal, and what the engine gives with that token."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tabard_sidecar.credentials.vault.engines import leases
from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.credentials.vault.live import lease_of
from tabard_sidecar.util.wanted import GivenUpError, require_wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tabard_sidecar.credentials.vault.conf import VaultRoleConfig
    from tabard_sidecar.credentials.vault.live import LiveCredential
    from tabard_sidecar.credentials.vault.replies import Obtained, Token
    from tabard_sidecar.credentials.vault.server import VaultServer
    from tabard_sidecar.model import CredentialRequest
    from tabard_sidecar.state.leases import LeaseJournal
    from tabard_sidecar.util.lanes import Turn


class Obtaining:
    """Obtains a credential, once. Vault is asked twice in one thread, and the journal meanwhile.

    Args:
        server: the vault.
        role: the configured role.
        live: what is known of the credential; kept up to date.
        request: the call's request.
        journal: notes the credential if it ends with its token.
        end: called with a token that comes too late.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each is another part of it
        self,
        server: VaultServer,
        role: VaultRoleConfig,
        live: LiveCredential,
        request: CredentialRequest,
        journal: LeaseJournal,
        end: Callable[[Token], None],
    ) -> None:
        self._server = server
        self._role = role
        self._live = live
        self._request = request
        self._journal = journal
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._noting: asyncio.Future[None] | None = None

    async def run(self, seconds: int, turn: Turn, *, now: float) -> Obtained:
        """Return what the engine gave, which is noted then if it ends with the token.

        Args:
            seconds: how long it is to last.
            turn: the request's turn at the vault.
            now: the time, in seconds since the epoch.

        Raises:
            Refused: a revocation ends it.
            VaultFault: the vault can't be reached, refuses, or its reply isn't acceptable.
            NoDecision: the journal can't be written.
            GivenUpError: the caller has gone, so the engine wasn't asked.
        """
        try:
            obtained = await self._ask(seconds, turn, now)
        finally:
            # A withdrawal forgets what was noted.
            failed = await self._noted()
        if failed is not None:
            raise failed
        return obtained

    async def _noted(self) -> BaseException | None:
        """Wait until the credential is noted, if it is to be; return why it isn't."""
        if self._noting is None:
            return None
        (failed,) = await asyncio.gather(self._noting, return_exceptions=True)
        return failed

    async def _ask(self, seconds: int, turn: Turn, now: float) -> Obtained:
        live = self._live
        live.asked = True
        try:
            obtained = await self._server.obtain(
                self._request, self._role, seconds, turn, lambda token: self._born(token, now), self._late
            )
        except VaultFault as fault:
            if live.token is None:
                live.asked = not fault.nothing_done
            elif live.engaged:
                live.obtained = not fault.nothing_done
                live.engaged = not fault.answered
            raise
        live.engaged = False
        return obtained

    def _born(self, token: Token, now: float) -> None:
        """Note the token, in the vault's thread.

        Raises:
            Exception: the engine may not be asked.
        """
        live = self._live
        # In this order: who finds the token, finds that an engine may be at work with it.
        live.engaged = live.obtained = True
        live.source_id = self._server.source_id
        live.journaled = leases(self._role)
        live.token = token
        try:
            self._check_wanted(token)
            live.check()
            if live.given_up:
                raise GivenUpError
        except BaseException:
            live.engaged = live.obtained = False
            raise
        if live.journaled:
            self._loop.call_soon_threadsafe(self._note, token, now)

    def _check_wanted(self, token: Token) -> None:
        try:
            require_wanted()
        except GivenUpError:
            self._loop.call_soon_threadsafe(self._end, token)
            raise

    def _note(self, token: Token, now: float) -> None:
        lease = lease_of(self._live, self._request, token, now)
        self._noting = asyncio.ensure_future(self._journal.add_lease(lease, durable=False))

    def _late(self, _: Obtained) -> None:
        if self._live.token is not None:
            self._end(self._live.token)
