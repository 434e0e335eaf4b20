"""One configured identity provider: its threads, and what is asked of it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import field
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from tabard_sidecar.credentials.asked_server import AskedServer
from tabard_sidecar.credentials.exchange import faults
from tabard_sidecar.credentials.exchange.acting import check_may_act, explained
from tabard_sidecar.credentials.exchange.authentication import JWT_TYPE, ClientAuthentication, Presented
from tabard_sidecar.credentials.exchange.client_actor import ClientActor
from tabard_sidecar.credentials.exchange.faults import ExchangeFault, invalid
from tabard_sidecar.credentials.exchange.replies import (
    ACCESS_TOKEN,
    issued_token,
    read_reply,
    read_revocation,
    read_revocation_probe,
)
from tabard_sidecar.util.bounded_http import BoundedSession
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from tabard_sidecar.credentials.exchange.acting import Actor
    from tabard_sidecar.credentials.exchange.conf import ExchangeConfig
    from tabard_sidecar.model import CredentialRequest
    from tabard_sidecar.util.lanes import Turn

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
_NO_TOKEN = "tabard-doctor"  # noqa: S105 - it is none


@dataclass(frozen=True, slots=True)
class PersonsToken:
    """A token that is presented to be exchanged.

    Attributes:
        token: the token.
        may_act: what it says of who may act for the person (RFC 8693, section 4.4).
        workload: ``sub`` and ``iss`` of this workload, which it has to name if no actor token is sent.
    """

    token: str = field(repr=False)
    may_act: object = None
    workload: Mapping[str, str] = field(default_factory=dict)


class ExchangeServer(AskedServer):
    """An identity provider. Each method is bounded in time and raises :class:`~.faults.ExchangeFault`.

    Args:
        name: its configured name.
        config: its section.

    Raises:
        ValueError: its CA file can't be used.
    """

    def __init__(self, name: str, config: ExchangeConfig) -> None:
        super().__init__(
            f"exchange-{name}",
            connections=config.max_connections,
            timeout_seconds=config.timeout_seconds,
            faults=faults,
        )
        self.name = name
        self.config = config
        self.source_id = _source_id(config)
        """Tells what revokes its tokens from another section of the same name: issuer, revocation endpoint and client.

        Another server that gets a token to revoke could use it, and answers that it has ended (RFC 7009, section 2.2).
        """
        self._authentication = ClientAuthentication(config)
        self._client_actor = None if config.actor_token_grant is None else ClientActor(self._issued)
        self._issuing_session = self._session(config.token_endpoint, self.issuing_places)
        self._ending_session = self._session(
            config.revocation_endpoint or config.token_endpoint, self.ending_places
        )

    def _session(self, endpoint: str, connections: int) -> BoundedSession:
        parts = urlsplit(endpoint)
        return BoundedSession(
            f"{parts.scheme}://{parts.netloc}",
            ca_file=self.config.ca_file,
            connections=connections,
            faults=faults,
        )

    async def exchange(
        self,
        request: CredentialRequest,
        subject: PersonsToken,
        turn: Turn,
        deadline: float,
        late: Callable[[str], None],
    ) -> tuple[Mapping[str, Any], Actor | None]:
        """Exchange a person's token; return the reply, and the actor token that was sent.

        ``late`` gets a token that comes after the deadline.
        """

        def too_late(found: tuple[Mapping[str, Any], Actor | None]) -> None:
            token = issued_token(found[0])
            if token is not None:
                late(token)

        return await self._issuing.run(
            lambda: self._exchanged(request.audience, request.scopes, subject),
            deadline,
            too_late,
            turn,
        )

    async def probe(self) -> None:
        """Present what is no token, to learn whether the client may exchange any."""
        audience = next(iter(self.config.audiences))
        await self._issuing.run(
            lambda: self._exchanged(audience, (), PersonsToken(_NO_TOKEN)), self.deadline()
        )

    async def probe_revocation(self, endpoint: str) -> bool:
        """Have it revoke what is no token; tell whether it also answers well to a request without any.

        Then it may answer so to everything, and revoke nothing.
        """
        await self._ending.run(
            lambda: read_revocation_probe(*self._asked_to_revoke(endpoint, {"token": _NO_TOKEN})),
            self.deadline(),
        )
        status, content = await self._ending.run(lambda: self._asked_to_revoke(endpoint, {}), self.deadline())
        with suppress(ExchangeFault):
            read_revocation(status, content)
            return True
        return False

    async def revoke(self, token: str) -> bool:
        """Revoke a token; tell whether there is an endpoint for that."""
        endpoint = self.config.revocation_endpoint
        if endpoint is None:
            return False
        await self._ending.run(lambda: self._revoked(endpoint, token), self.deadline())
        return True

    def close(self) -> None:
        """Close the connections."""
        self._issuing_session.close()
        self._ending_session.close()

    def _exchanged(
        self, audience: str, scopes: Sequence[str], subject: PersonsToken
    ) -> tuple[Mapping[str, Any], Actor | None]:
        client_actor = self._client_actor
        actor = self._authentication.actor() if client_actor is None else client_actor.get()
        check_may_act(subject.may_act, actor, subject.workload)
        form = {
            "grant_type": _GRANT_TYPE,
            "subject_token": subject.token,
            "subject_token_type": ACCESS_TOKEN,
            "requested_token_type": ACCESS_TOKEN,
            "audience": audience,
        }
        if scopes:
            form["scope"] = " ".join(scopes)
        if resource := self.config.audiences[audience].resource:
            form["resource"] = resource
        if actor is not None:
            form |= {"actor_token": actor.token, "actor_token_type": JWT_TYPE}
        presented = self._authentication.presented()
        sent = {presented.secret, actor.token if actor is not None else ""}
        try:
            reply = read_reply(
                *self._post(self._issuing_session, self.config.token_endpoint, form, presented)
            )
        except ExchangeFault as fault:
            if client_actor is not None and actor is not None:
                client_actor.refused(actor)
            raise explained(fault, subject.may_act, actor) from None
        if issued_token(reply) in sent:
            # It isn't revoked: this sidecar acts by it.
            raise invalid("it sent a secret of the request back, which opens more than was asked for")
        return reply, actor

    def _issued(self, form: Mapping[str, str]) -> tuple[int, bytes]:
        presented = self._authentication.presented()
        return self._post(self._issuing_session, self.config.token_endpoint, form, presented)

    def _revoked(self, endpoint: str, token: str) -> None:
        read_revocation(*self._asked_to_revoke(endpoint, {"token": token}))

    def _asked_to_revoke(self, endpoint: str, form: Mapping[str, str]) -> tuple[int, bytes]:
        form = {**form, "token_type_hint": "access_token"}
        return self._post(self._ending_session, endpoint, form, self._authentication.presented())

    @staticmethod
    def _post(
        session: BoundedSession, endpoint: str, form: Mapping[str, str], presented: Presented
    ) -> tuple[int, bytes]:
        place = urlsplit(endpoint)
        path = f"{place.path or '/'}?{place.query}" if place.query else place.path or "/"
        headers = {"Content-Type": "application/x-www-form-urlencoded", **presented.headers}
        body = urlencode({**form, **presented.form}).encode()
        reply = session.request("POST", path, headers=headers, body=body)
        return reply.status, reply.content


def _source_id(config: ExchangeConfig) -> str:
    parts = (config.subject_issuer, config.revocation_endpoint or "", config.client_id)
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


async def revoked(server: ExchangeServer, token: str) -> bool:
    """Revoke a token, and tell whether it is certain that it ended."""
    with suppress(ExchangeFault):
        return await server.revoke(token)
    return False
