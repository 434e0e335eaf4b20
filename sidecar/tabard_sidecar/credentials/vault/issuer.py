"""Issues credentials of kind ``vault``: one short token for each, journaled, extended when the answer leaves."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tabard_sidecar.credentials.held import HeldCredentials, Place
from tabard_sidecar.credentials.kept import KeptRequest
from tabard_sidecar.credentials.vault.conf import KIND
from tabard_sidecar.credentials.vault.faults import VaultFault, unavailable
from tabard_sidecar.credentials.vault.live import LiveCredential, LiveCredentials
from tabard_sidecar.credentials.vault.obtaining import Obtaining
from tabard_sidecar.credentials.vault.server import VaultServer
from tabard_sidecar.credentials.vault.tokens import NEWBORN_SECONDS
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.interfaces import Withdrawal
from tabard_sidecar.model import CredentialRequest, IssuedCredential
from tabard_sidecar.util.background import Background
from tabard_sidecar.util.joined_problems import JoinedProblems
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.wanted import GivenUpError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tabard_sidecar.credentials.revoked import Targets
    from tabard_sidecar.credentials.vault.conf import VaultConfig, VaultRoleConfig
    from tabard_sidecar.credentials.vault.replies import Token
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.model import Introspection
    from tabard_sidecar.state import Revocation
    from tabard_sidecar.state.leases import LeaseJournal
    from tabard_sidecar.util.lanes import Turn

# Waiting for its turn and a newborn token's life, so that a revocation meanwhile finds the request.
_MOST_SECONDS = 180.0
_EXTENDING_PAUSE_SECONDS = 1.0
_LOGIN_PAUSE_SECONDS = 5.0
# By how much less than it was asked a vault may let a token live, since it counts in whole seconds.
_ROUNDING_SECONDS = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Role:
    name: str
    server: VaultServer
    config: VaultRoleConfig


class VaultIssuer:
    """Obtains credentials of configured roles, and ends those whose answer isn't given.

    Args:
        servers: the configured vaults.
        journal: where leases are noted for every sidecar of the zone.
        targets: tells what ends a credential when revoked.
        clock: time in seconds since the epoch.
        report: called with the present problem of the vaults, or the empty string.
    """

    def __init__(
        self,
        servers: Mapping[str, VaultServer],
        journal: LeaseJournal,
        *,
        targets: Targets,
        clock: Clock,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._roles = {
            role: _Role(role, server, config)
            for server in servers.values()
            for role, config in server.config.roles.items()
        }
        self.servers = servers
        self._journal = journal
        self._targets = targets
        self._clock = clock
        self._report = report
        self._problems = JoinedProblems(report)
        self._background = Background("vault-background")
        self._starting: list[asyncio.Task[None]] = []
        self.live = LiveCredentials()
        self.held: HeldCredentials[LiveCredential] = HeldCredentials()

    @property
    def kind(self) -> str:
        """The kind, as policy names it."""
        return KIND

    def compute(self, request: CredentialRequest) -> IssuedCredential | None:
        """Return a held credential that fits, for which the vault isn't asked; otherwise ``None``.

        Raises:
            Refused: no such role is configured, or not for this audience.
        """
        role = self._role(request)
        return self.held.find(request) if role.config.reusable and not request.uses else None

    async def issue(self, request: CredentialRequest) -> IssuedCredential:
        """Obtain a credential; see the interface.

        Raises:
            NoDecision: the vault or the journal can't be reached, refuses, or a reply isn't acceptable.
            Refused: no such role is configured, or not for this audience; it was revoked meanwhile.
        """
        role = self._role(request)
        now = self._clock()
        live = LiveCredential(KeptRequest.of(request, self._targets), role.server.name, now + _MOST_SECONDS)
        self.live.check_room(role.server.name, role.server.config, request, now=now)
        self.live.begin(live, now=now)
        try:
            async with role.server.turn(request) as turn:
                live.issued = await self._issued(role, live, request, turn)
        except GivenUpError:
            # It tells nothing of the vault, so health doesn't hear of it.
            raise unavailable("the caller has gone").decisive(role.server.name) from None
        except VaultFault as fault:
            error = fault.decisive(role.server.name)
            self._problems.tell(role.server.name, error.message)
            raise error from None
        self._problems.tell(role.server.name)
        return live.issued

    def commit(self, request: CredentialRequest) -> None:
        """Extend the credential's token in the background, since its answer leaves now."""
        live = self.live.get(request.credential_id)
        if live is None or live.token is None or live.issued is None:
            return  # a held credential
        live.given = True
        if live.ended:
            self.live.forget(request.credential_id)
            return
        role = self._role(request)
        hold = partial(self._hold, role, live, live.issued, Place.of(request), request.issued_at)
        if live.leased:
            self._background.start(self._extend(role, live, live.token, live.issued, hold))
        else:
            self.live.forget(request.credential_id)
            self._background.start(self._end_unleased(role.server, live, live.token))
            hold()

    def give_up(self, request: CredentialRequest) -> None:
        """Let a request wait no longer, and an engine not be asked for it, since its caller has gone."""
        live = self.live.get(request.credential_id)
        if live is not None:
            live.given_up = True
            self.servers[live.vault].give_up(request)

    async def withdraw(self, request: CredentialRequest) -> Withdrawal:
        """End a credential whose answer isn't given; see the interface."""
        live = self.live.forget(request.credential_id)
        if live is None or not live.asked:
            return Withdrawal.NOTHING_ISSUED
        live.given_up = True
        if live.ended:
            return Withdrawal.ENDED
        if live.token is None or live.engaged:
            # A vault that makes a login for a token that is revoked meanwhile may keep the login. With the token's own end
            # it ends.
            return Withdrawal.UNCLEAR
        if not await self._end_token(self.servers[live.vault], live.token, live.source_id):
            return Withdrawal.UNCLEAR
        if live.journaled:
            await self._forget_lease(request.credential_id)
        return Withdrawal.ENDED if live.obtained else Withdrawal.NOTHING_ISSUED

    def inspect(self, value: str) -> Introspection:  # noqa: ARG002 - nothing of Tabard's is in it
        """Refuse: only the vault knows its credentials.

        Raises:
            Refused: always.
        """
        raise Refused("credential_invalid", "a credential of kind vault isn't described by this sidecar")

    def doom(self, revocation: Revocation) -> list[LiveCredential]:
        """Give no credential any more that a revocation ends; return those that have to be ended in the vault."""
        found = self.live.doom(revocation)
        self.held.drop(lambda live: live.doomed is not None or live.kept.ended_by(revocation))
        return found

    def start(self) -> None:
        """Log in to every vault in the background, so that health tells early what is wrong, and the first call is fast."""
        self._report("")
        loop = asyncio.get_running_loop()
        self._starting = [loop.create_task(self._log_in(server)) for server in self.servers.values()]

    async def _log_in(self, server: VaultServer) -> None:
        """Log in, until it succeeds: without calls nothing else would notice that the vault is there again."""
        while True:
            try:
                await server.log_in()
            except VaultFault as fault:
                self._problems.tell(server.name, fault.decisive(server.name).message)
                await asyncio.sleep(_LOGIN_PAUSE_SECONDS)
            else:
                self._problems.tell(server.name)
                return

    async def close(self) -> None:
        """Let what was begun in the background end, and close the connections."""
        for task in self._starting:
            task.cancel()
        await self._background.settle(max(server.config.timeout_seconds for server in self.servers.values()))
        for server in self.servers.values():
            server.close()

    def _role(self, request: CredentialRequest) -> _Role:
        role = self._roles.get(request.role)
        if role is None:
            raise Refused("credential_role_unknown", f"no vault has the role {request.role[:128]!a}")
        if request.audience not in role.config.audiences:
            raise Refused(
                "credential_role_unknown",
                f"vault.{role.server.name}.roles.{request.role} isn't for the audience {request.audience[:128]!a}",
            )
        return role

    async def _issued(
        self, role: _Role, live: LiveCredential, request: CredentialRequest, turn: Turn
    ) -> IssuedCredential:
        server, now = role.server, self._clock()
        live.check()
        live.ends_at = now + NEWBORN_SECONDS
        ends_at = min(request.expires_at, now + role.config.max_ttl_seconds)
        if ends_at - now < 1:
            raise Refused("grant_expired", "the credential would end in less than a second")
        obtaining = Obtaining(
            server,
            role.config,
            live,
            request,
            self._journal,
            lambda late: self._background.start(self._end_token(server, late, live.source_id)),
        )
        # The token ends by itself soon, so journal and engine are asked at the same time.
        obtained = await obtaining.run(math.ceil(ends_at - now), turn, now=now)
        live.check()
        live.leased = bool(obtained.lease_id) or (live.journaled and role.config.wrap_seconds > 0)
        if obtained.seconds is not None:
            ends_at = min(ends_at, now + obtained.seconds)
        return IssuedCredential(
            kind=KIND,
            value=obtained.value,
            credential_id=request.credential_id,
            audience=request.audience,
            scopes=request.scopes,
            expires_at=float(math.floor(ends_at)),
            uses=request.uses,
            fields=obtained.fields,
        )

    async def _extend(
        self,
        role: _Role,
        live: LiveCredential,
        token: Token,
        credential: IssuedCredential,
        hold: Callable[[], None],
    ) -> None:
        """Let a token live as long as its credential; if that fails until its end, the credential ends early.

        The journal learns of it first: whatever lives longer than a newborn token stands there.
        """
        server, credential_id = role.server, credential.credential_id
        problem = "its token ended before it could be extended"
        while self._clock() < live.ends_at and live.doomed is None:
            try:
                if not await self._journal.extend_lease(credential_id, expires_at=credential.expires_at):
                    if live.doomed is not None:
                        return  # a revocation has ended it
                    # Who ends it later would not find it.
                    problem = "the state store lost that it was issued, so it is ended"
                    self.live.forget(credential_id)
                    await self._end_token(server, token, live.source_id)
                    break
                now = self._clock()
                granted = await server.extend(token, math.ceil(credential.expires_at - now))
            except VaultFault as fault:
                problem = fault.message
            except NoDecision as error:
                problem = error.message
            else:
                live.ends_at, live.extended = now + granted, True
                live.issued = replace(credential, value="", fields={})
                if live.ends_at >= credential.expires_at - _ROUNDING_SECONDS:
                    hold()
                    return
                problem = f"its token gets {granted:g} s only; raise token_explicit_max_ttl of the token role"
                break
            await asyncio.sleep(_EXTENDING_PAUSE_SECONDS)
        if live.doomed is None:
            message = f"vault.{server.name}: a credential of {role.name} ends early: {problem}"
            _log.warning("vault_token_not_extended", extra={"problem": message})
            self._problems.tell(server.name, message)

    def _hold(
        self, role: _Role, live: LiveCredential, credential: IssuedCredential, place: Place, since: float
    ) -> None:
        if role.config.reusable and not credential.uses and not live.doomed:
            self.held.keep(credential, live, place, since=since)

    async def _end_token(self, server: VaultServer, token: Token, source_id: str = "") -> bool:
        """Revoke a token; tell whether it is certain that it ended. If not, it ends by itself."""
        try:
            await server.revoke(token, source_id)
        except VaultFault as fault:
            _log.warning("vault_token_not_revoked", extra={"vault": server.name, "problem": fault.message})
            return False
        return True

    async def _end_unleased(self, server: VaultServer, live: LiveCredential, token: Token) -> None:
        """End the token of a credential that doesn't end with it."""
        if await self._end_token(server, token, live.source_id) and live.journaled:
            await self._forget_lease(live.kept.credential_id)

    async def _forget_lease(self, credential_id: str) -> None:
        try:
            await self._journal.end_lease(credential_id)
        except NoDecision:
            _log.warning("lease_not_forgotten", extra={"credential_id": credential_id})


def check_address(name: str, config: VaultConfig, *, allow_http: bool) -> None:
    """Check that the sidecar's login goes to the vault only. In a pod the agent can listen at a loopback address, too.

    Raises:
        ValueError: the address isn't encrypted, which isn't allowed.
    """
    if config.address.startswith("http://") and not allow_http:
        raise ValueError(
            f"vault.{name}.address {config.address} isn't encrypted, so the agent or another process may answer there and "
            "get the sidecar's login: use https:// (with ca_file), or set insecure.allow_http"
        )


def build_vaults(  # noqa: PLR0913 - each is another part of the sidecar
    vaults: Mapping[str, VaultConfig],
    journal: LeaseJournal,
    *,
    targets: Targets,
    clock: Clock,
    allow_http: bool,
    report: Callable[[str], None],
) -> VaultIssuer:
    """Build the issuer for the configured vaults.

    Raises:
        ValueError: a CA file can't be used, or an address isn't encrypted.
    """
    for name, config in vaults.items():
        check_address(name, config, allow_http=allow_http)
    servers = {name: VaultServer(name, config) for name, config in vaults.items()}
    return VaultIssuer(servers, journal, targets=targets, clock=clock, report=report)
