"""Finds out who calls the operator surface: a person by an access token, or a workload by its ServiceAccount's token."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from tabard_sidecar.approvals.roles import clients_of
from tabard_sidecar.control.pods import RefusedError
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.identity import jose
from tabard_sidecar.identity.jose import TokenError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tabard_sidecar.control.operators_conf import OperatorIssuerConfig
    from tabard_sidecar.control.pods import Pods
    from tabard_sidecar.identity.subject import SubjectTokens
    from tabard_sidecar.model import Subject

_MAX_GROUPS = 1000
_MAX_TOKEN = 16 * 1024


class Operator(NamedTuple):
    """Who calls.

    Attributes:
        person: the person; ``None`` if it is a workload.
        groups: the person's groups.
        service_account: the workload, ``NAMESPACE/NAME``; empty if it is a person.
        pod: the pod that the workload's token is bound to; empty if it is bound to none.
    """

    person: Subject | None
    groups: frozenset[str] = frozenset()
    service_account: str = ""
    pod: str = ""

    def told(self) -> dict[str, Any]:
        """Return who it is, for logs and records."""
        if self.person is not None:
            return {"id": self.person.id, "issuer": self.person.issuer}
        return {"service_account": self.service_account} | ({"pod": self.pod} if self.pod else {})


CALLER: ContextVar[Operator | None] = ContextVar("caller", default=None)
"""Who makes the request that is being answered."""


class OperatorCallers:
    """Authenticates who calls.

    Args:
        people: verifies people's access tokens.
        issuers: the terms of their issuers.
        pods: finds out whose a ServiceAccount's token is.
    """

    def __init__(self, people: SubjectTokens, issuers: Sequence[OperatorIssuerConfig], pods: Pods) -> None:
        self._people = people
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        self._pods = pods

    async def caller(self, authorization: str) -> Operator:
        """Return who calls.

        Args:
            authorization: the metadata ``authorization``; may be empty.

        Raises:
            NoDecision: ``UNAUTHENTICATED``, or ``UNAVAILABLE`` if it can't be found out now.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _stranger("send an access token: authorization: Bearer TOKEN")
        if len(token) > _MAX_TOKEN:
            raise _stranger(f"the token is longer than {_MAX_TOKEN} characters")
        try:
            issuer = jose.parse(token).claims.get("iss")
        except TokenError as error:
            raise _stranger(f"what was sent is no token: {error.message}") from None
        if isinstance(issuer, str) and issuer in self._issuers:
            return await self._person(token, self._issuers[issuer])
        return await self._workload(token)

    async def _person(self, token: str, issuer: OperatorIssuerConfig) -> Operator:
        try:
            person, claims = await self._people.verify_claims(token)
        except Refused as refused:
            raise _stranger(f"the token isn't acceptable: {refused.message}") from None
        for name in ("act", "may_act"):
            if name in claims:
                raise _stranger(f"the token carries {name}, so an agent may act with it")
        clients = clients_of(claims)
        if issuer.clients and not (clients and clients <= set(issuer.clients)):
            raise _stranger("the token was issued to a client that isn't in clients of the issuer")
        return Operator(person, _groups(claims, issuer.groups_claim))

    async def _workload(self, token: str) -> Operator:
        try:
            caller = await self._pods.anywhere(token)
        except RefusedError as refused:
            if refused.unavailable:
                raise NoDecision("UNAVAILABLE", "issuer_unavailable", str(refused)) from None
            text = "the token is of no issuer in operators.issuers, and of no ServiceAccount"
            raise _stranger(f"{text}: {refused}") from None
        return Operator(None, service_account=f"{caller.namespace}/{caller.account}", pod=caller.pod)


def _groups(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    found = claims.get(name)
    listed = found if isinstance(found, list) else [found]
    return frozenset(group for group in listed[:_MAX_GROUPS] if isinstance(group, str) and group)


def _stranger(message: str) -> NoDecision:
    return NoDecision("UNAUTHENTICATED", "operator_unauthenticated", message)
