"""The call that verification compares, and the credential that it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, NamedTuple

from tabard._lean import dataclass
from tabard._model import Subject


class Call(NamedTuple):
    """The tool call that a request makes."""

    tool: str
    arguments: Mapping[str, Any]
    server: str = ""


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One step of the verified chain.

    ``kind`` is ``"root"``, ``"hop"`` or ``"branch"``. ``sub_agent`` is a name that the workload gave to a part of itself;
    it is not attested.
    """

    kind: str
    holder: str
    sub_agent: str = ""


@dataclass(frozen=True, slots=True)
class VerifiedCredential:
    """The content of a verified credential.

    Attributes:
        kind: ``"jwt"`` or ``"macaroon"``.
        credential_id: identifier of the credential.
        issuer: its issuer.
        audience: the backend that it is for; checked.
        subject: the person on whose behalf the call is made.
        agent: the workload that makes it, a SPIFFE ID.
        chain: the workloads and sub-agents that the task passed through, the one that started it first.
        task_id: identifier of the task.
        purpose: purpose of the task.
        intent_source: ``"signed"`` if a front end signed the purpose, else ``"asserted"``.
        scopes: what the credential allows.
        tool: name of the tool; checked against the request.
        server: server that the agent named; checked against the request.
        call_digest: digest of the one call that it is for.
        decision_id: the decision in Tabard's log.
        issued_at: seconds since the epoch.
        expires_at: seconds since the epoch.
        uses: how often it is accepted; 0 means any number of times until it expires.
        claims: every claim, for those that have no attribute.
        arguments: arguments of the call, once they were checked.
    """

    kind: str
    credential_id: str
    issuer: str
    audience: str
    subject: Subject
    agent: str
    chain: tuple[ChainLink, ...]
    task_id: str
    purpose: str
    intent_source: str
    scopes: tuple[str, ...]
    tool: str
    server: str
    call_digest: str
    decision_id: str
    issued_at: float
    expires_at: float
    uses: int
    claims: Mapping[str, Any] = field(repr=False)
    arguments: Mapping[str, Any] | None = None

    @property
    def single_use(self) -> bool:
        """Whether it is accepted only once."""
        return self.uses == 1
