"""Issues credentials of kind ``exchange``: a person's token, exchanged for one that a single backend accepts."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tabard_sidecar.credentials.exchange.conf import KIND
from tabard_sidecar.credentials.exchange.faults import ExchangeFault, invalid, unavailable
from tabard_sidecar.credentials.exchange.issued import IssuedTokens, Terms
from tabard_sidecar.credentials.exchange.live import Exchange, LiveExchanges
from tabard_sidecar.credentials.exchange.replies import issued_token
from tabard_sidecar.credentials.exchange.server import ExchangeServer, PersonsToken, revoked
from tabard_sidecar.credentials.held import HeldCredentials, Place
from tabard_sidecar.credentials.kept import KeptRequest
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.interfaces import Withdrawal
from tabard_sidecar.model import CredentialRequest, IssuedCredential
from tabard_sidecar.util.background import Background
from tabard_sidecar.util.joined_problems import JoinedProblems
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.wanted import GivenUpError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from tabard_sidecar.credentials.exchange.conf import ExchangeAudienceConfig, ExchangeConfig
    from tabard_sidecar.credentials.exchange.journal import TokenJournal
    from tabard_sidecar.credentials.revoked import Targets
    from tabard_sidecar.credentials.subject_tokens import KeptSubjectTokens
    from tabard_sidecar.identity.subject import SubjectTokens
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.model import Introspection
    from tabard_sidecar.state import Revocation
    from tabard_sidecar.util.lanes import Turn

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Target:
    server: ExchangeServer
    config: ExchangeAudienceConfig


class ExchangeIssuer:
    """Exchanges tokens for configured audiences, and revokes those whose answer isn't given.

    Args:
        servers: the configured identity providers.
        tokens: the people's tokens.
        journal: where tokens are noted for every sidecar of the zone.
        issued: verifies what comes back.
        workload: returns ``sub`` and ``iss`` of this workload, or raises :class:`~tabard_sidecar.errors.NoDecision`.
        targets: tells what ends a credential when revoked.
        clock: time in seconds since the epoch.
        report: called with the present problem of the servers, or the empty string.
    """

    def __init__(  # noqa: PLR0913 - each is another part of the sidecar
        self,
        servers: Mapping[str, ExchangeServer],
        tokens: KeptSubjectTokens,
        journal: TokenJournal,
        issued: IssuedTokens,
        *,
        workload: Callable[[], Mapping[str, str]],
        targets: Targets,
        clock: Clock,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._targets = {
            (server.config.subject_issuer, name): _Target(server, config)
            for server in servers.values()
            for name, config in server.config.audiences.items()
        }
        self.servers = servers
        self._tokens = tokens
        self.journal = journal
        self._issued = issued
        self._workload = workload
        self._targets_of = targets
        self._clock = clock
        self._report = report
        self._problems = JoinedProblems(report)
        self.live = LiveExchanges()
        self._background = Background("exchange-background")
        self.held: HeldCredentials[Exchange] = HeldCredentials()

    @property
    def kind(self) -> str:
        """The kind, as policy names it."""
        return KIND

    def compute(self, request: CredentialRequest) -> IssuedCredential | None:
        """Return a held token that fits, for which the identity provider isn't asked; otherwise ``None``.

        Raises:
            Refused: no such audience or scope is configured for the person's issuer.
        """
        target = self._target(request)
        return self.held.find(request) if target.config.reuse and not request.uses else None

    async def issue(self, request: CredentialRequest) -> IssuedCredential:
        """Exchange the token of the person who started the task; see the interface.

        Raises:
            NoDecision: the identity provider or the state store can't be reached, the set-up isn't as the identity provider
                expects, or a reply isn't acceptable.
            Refused: no such audience or scope is configured, the person's token is gone, or the identity provider denies.
        """
        target = self._target(request)
        exchange = Exchange(KeptRequest.of(request, self._targets_of), target.server)
        self.live.begin(exchange, self._clock())
        try:
            async with target.server.turn(request) as turn:
                exchange.issued = await self._exchanged(target, exchange, request, turn)
        except GivenUpError:
            # It tells nothing of the identity provider, so health doesn't hear of it.
            raise unavailable("the caller has gone").decisive(target.server.name) from None
        except ExchangeFault as fault:
            error = fault.decisive(target.server.name)
            # What is denied to one person is no problem of the server's.
            self._problems.tell(target.server.name, "" if isinstance(error, Refused) else error.message)
            raise error from None
        self._problems.tell(target.server.name, "")
        return exchange.issued

    def commit(self, request: CredentialRequest) -> None:
        """Hold the token for further calls, and to be revoked, since its answer leaves."""
        exchange = self.live.running(request.credential_id)
        if exchange is None or exchange.issued is None:
            return  # a held token
        config = exchange.server.config
        # An opaque one is kept to be known if it comes back for another person.
        self.live.give(request.credential_id, keep=config.opaque or config.revocation_endpoint is not None)
        if (
            self._target(request).config.reuse
            and not request.uses
            and exchange.doomed is None
            and not exchange.revoked
        ):
            self.held.keep(exchange.issued, exchange, Place.of(request), since=request.issued_at)

    def give_up(self, request: CredentialRequest) -> None:
        """Let a request wait no longer, since its caller has gone."""
        exchange = self.live.running(request.credential_id)
        if exchange is not None:
            exchange.server.give_up(request)

    async def withdraw(self, request: CredentialRequest) -> Withdrawal:
        """Revoke a token whose answer isn't given; see the interface."""
        exchange = self.live.withdraw(request.credential_id)
        if exchange is None or not exchange.asked:
            return Withdrawal.NOTHING_ISSUED
        if not exchange.revoked and exchange.token and self.live.of_token(exchange.token):
            # It was issued for another call, too, which goes on with it.
            if exchange.noted:
                await self.forget(request.credential_id)
            return Withdrawal.UNCLEAR
        if exchange.revoked or (exchange.token and await revoked(exchange.server, exchange.token)):
            if exchange.noted:
                await self.forget(request.credential_id)
            return Withdrawal.ENDED
        return Withdrawal.UNCLEAR

    def inspect(self, value: str) -> Introspection:  # noqa: ARG002 - nothing of Tabard's is in it
        """Refuse: only the identity provider describes its tokens.

        Raises:
            Refused: always.
        """
        raise Refused("credential_invalid", "a credential of kind exchange isn't described by this sidecar")

    def doom(self, revocation: Revocation) -> None:
        """Give no token any more that a revocation ends."""
        self.live.doom(revocation)
        self.held.drop(lambda exchange: exchange.doomed is not None or exchange.kept.ended_by(revocation))

    async def forget(self, credential_id: str) -> None:
        """Let the journal forget a token that has ended; if it can't now, the token expires there."""
        try:
            await self.journal.leases.end_lease(credential_id)
        except NoDecision:
            _log.warning("lease_not_forgotten", extra={"credential_id": credential_id})

    async def close(self) -> None:
        """Let what was begun in the background end, and close the connections."""
        await self._background.settle(max(server.config.timeout_seconds for server in self.servers.values()))
        for server in self.servers.values():
            server.close()

    def _target(self, request: CredentialRequest) -> _Target:
        issuer = request.grant.subject.issuer
        target = self._targets.get((issuer, request.audience))
        if target is None:
            raise Refused(
                "exchange_target_unknown",
                f"no exchange for people of {issuer} has the audience {request.audience[:128]!a}",
            )
        unknown = sorted(set(request.scopes) - set(target.config.scopes))
        if unknown:
            place = f"exchange.{target.server.name}.audiences"
            message = f"{place}: {request.audience} has no scope {unknown[0][:128]!a}"
            raise Refused("exchange_target_unknown", message)
        return target

    async def _exchanged(
        self, target: _Target, exchange: Exchange, request: CredentialRequest, turn: Turn
    ) -> IssuedCredential:
        server, now = target.server, self._clock()
        deadline = server.deadline()
        exchange.check()
        subject_token, terms = await self._terms(target, request, now)
        exchange.asked = True
        try:
            reply, actor = await server.exchange(
                request,
                self._presented(subject_token, terms.subject.get("may_act")),
                turn,
                deadline,
                lambda late: self._late(server, late, subject_token),
            )
        except ExchangeFault as fault:
            exchange.asked = not fault.nothing_done
            raise
        self._own(exchange, issued_token(reply) or "", subject_token)
        try:
            async with asyncio.timeout_at(deadline):
                token, ends_at = await self._issued.accepted(reply, terms, actor, now=self._clock())
        except TimeoutError:
            raise unavailable("its keys couldn't be fetched in time") from None
        exchange.ends_at = ends_at
        exchange.check()
        issued = IssuedCredential(
            kind=KIND,
            value=token,
            credential_id=request.credential_id,
            audience=request.audience,
            scopes=request.scopes,
            expires_at=float(math.floor(min(ends_at, request.expires_at))),
            uses=request.uses,
        )
        if server.config.revocation_endpoint is not None:
            # Before the answer leaves, so that this sidecar's death leaves nothing that can't be revoked.
            exchange.issued, exchange.noted = issued, True
            await self.journal.note(exchange, request, now)
            exchange.check()
        return issued

    async def _terms(self, target: _Target, request: CredentialRequest, now: float) -> tuple[str, Terms]:
        """Return the person's token, and what its exchange has to give.

        Raises:
            NoDecision: the state store is out of reach.
            Refused: there would be no time to use it, the person's token is gone, or it doesn't allow the request.
        """
        if request.expires_at - now < 1:
            if request.grant.expires_at - now < 1:
                raise Refused("grant_expired", "the credential would end in less than a second")
            raise Refused("exchange_target_unknown", "policy grants the credential for a second or less")
        subject_token = await self._tokens.find(request.grant.root_id, now=now)
        if subject_token is None:
            raise Refused(
                "subject_token_expired", "the token that started the task isn't kept any more, or its key"
            )
        return subject_token, Terms.of(request, target.server.config, target.config, subject_token, now=now)

    def _own(self, exchange: Exchange, token: str, subject_token: str) -> None:
        """Note whose a token is that came. What is another's isn't revoked.

        Raises:
            ExchangeFault: it is the person's own, or was given to another person.
        """
        if token == subject_token:
            # The person's session would end.
            raise invalid(
                "it sent the person's own token back, which opens everything that the person may use"
            )
        if token and not self.live.own(exchange, token):
            raise invalid("it sent the token of another person")

    def _presented(self, token: str, may_act: object) -> PersonsToken:
        """Return what is presented of a person's token; this workload is named only if the token says who may act."""
        return PersonsToken(token, may_act, {} if may_act is None else self._workload())

    def _late(self, server: ExchangeServer, token: str, subject_token: str) -> None:
        """Revoke a token that came too late, unless it is in use."""
        if token != subject_token and not self.live.of_token(token):
            self._background.start(self._end(server, token))

    async def _end(self, server: ExchangeServer, token: str) -> None:
        if not await revoked(server, token):
            _log.warning("exchanged_token_not_revoked", extra={"exchange": server.name})


def check_server(name: str, config: ExchangeConfig, issuers: Collection[str], *, allow_http: bool) -> None:
    """Check a section against the rest of the configuration.

    Raises:
        ValueError: its people are of no issuer of ``issuers``, or an endpoint isn't encrypted.
    """
    if config.subject_issuer not in issuers:
        raise ValueError(
            f"exchange.{name}.subject_issuer {config.subject_issuer} isn't one of identity.issuers: add it there"
        )
    for endpoint in filter(None, (config.token_endpoint, config.revocation_endpoint)):
        # In a pod the agent can listen at a loopback address, too.
        if urlsplit(endpoint).scheme == "http" and not allow_http:
            raise ValueError(
                f"exchange.{name}: {endpoint} isn't encrypted, so the agent or another process may answer there and get "
                "people's tokens: use https:// (with ca_file), or set insecure.allow_http"
            )


def build_exchanges(  # noqa: PLR0913 - each is another part of the sidecar
    servers: Mapping[str, ExchangeConfig],
    tokens: KeptSubjectTokens,
    journal: TokenJournal,
    subjects: SubjectTokens,
    *,
    targets: Targets,
    clock: Clock,
    allow_http: bool,
    report: Callable[[str], None],
) -> ExchangeIssuer:
    """Build the issuer for the configured identity providers.

    Raises:
        ValueError: a CA file can't be used, an endpoint isn't encrypted, or people of an issuer that
            isn't configured are meant.
    """
    for name, config in servers.items():
        check_server(name, config, subjects.issuers, allow_http=allow_http)
    report("")
    return ExchangeIssuer(
        {name: ExchangeServer(name, config) for name, config in servers.items()},
        tokens,
        journal,
        IssuedTokens(subjects),
        workload=subjects.workload,
        targets=targets,
        clock=clock,
        report=report,
    )
