"""Requests and calls that verification takes, and the credential that it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from tabard._model import Subject
from tabard.arguments import ArgumentsError, parse_arguments
from tabard.verify.errors import Rejected


class Call(NamedTuple):
    """The tool call that a request makes."""

    tool: str
    arguments: Mapping[str, Any]
    server: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request as an extractor sees it; ``headers`` have lower-case names."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> dict[str, Any]:
        """Return the body's JSON object, parsed strictly, so that another parser can't read it differently.

        Raises:
            Rejected: it isn't one, repeats a key, or holds a number that isn't exact.
        """
        try:
            return parse_arguments(self.body)
        except ArgumentsError as error:
            raise Rejected("call_unreadable", str(error)) from error

    def query(self) -> dict[str, str]:
        """Return the query's parameters.

        Raises:
            Rejected: one is repeated, or they can't be decoded.
        """
        try:
            pairs = parse_qsl(
                self.query_string,
                keep_blank_values=True,
                strict_parsing=bool(self.query_string),
                errors="strict",
            )
        except ValueError as error:
            raise Rejected("call_unreadable", "the query can't be decoded") from error
        values = dict(pairs)
        if len(values) != len(pairs):
            raise Rejected("call_unreadable", "a query parameter is repeated")
        return values


Extract = Callable[[Request], tuple[str, Mapping[str, Any]] | tuple[str, Mapping[str, Any], str]]
"""Says which tool call a request makes: tool, arguments and, if the agent names one, server."""


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
        single_use: whether it is accepted only once.
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
    single_use: bool
    claims: Mapping[str, Any] = field(repr=False)
    arguments: Mapping[str, Any] | None = None
