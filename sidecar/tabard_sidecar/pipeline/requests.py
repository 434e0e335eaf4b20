"""Requests as the gRPC layer passes them, and a tool call after its verification."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tabard.caveats import Limits

from tabard_sidecar.grants import IndexedGrant
from tabard_sidecar.interfaces import LeasedPolicy, Together, ToolSpec
from tabard_sidecar.model import Agent, Delivery, MetApproval, ToolCall
from tabard_sidecar.util.lean import dataclass


class AuthorizeRequest(NamedTuple):
    """Asks for one tool call. Its JSON is read after the grant was verified (:mod:`tabard_sidecar.pipeline.reading`).

    ``context_json`` is what the caller asserts. ``body_digest`` returns the SHA-256 of everything but the request_id, so
    that a retry with another body is noticed. ``delivery`` is set by :class:`~tabard_sidecar.pipeline.edges.EdgeAuthorizer`
    alone: nothing that an agent sends becomes it. ``together`` is set for the calls of a batch. A ``paced`` one is decided in
    rounds with others (:mod:`tabard_sidecar.util.rounds`).
    """

    grant: str
    tool: str
    server: str = ""
    arguments_json: bytes = b""
    context_json: bytes = b""
    scopes: tuple[str, ...] = ()
    discharges: tuple[str, ...] = ()
    request_id: str = ""
    body_digest: Callable[[], bytes] = bytes
    delivery: Delivery = Delivery.AGENT
    together: Together | None = None
    paced: bool = False


class VerifiedCall(NamedTuple):
    """A requested tool call whose caller and grant are verified and whose caveats are met.

    ``context`` is what the caller asserts. ``spec`` is ``None`` for a tool that the catalogue doesn't know.
    ``approvals`` are those that people gave for this call. ``policy`` is leased for the whole request.
    """

    request: AuthorizeRequest
    tool: ToolCall
    context: Mapping[str, Any]
    agent: Agent
    grant: IndexedGrant
    spec: ToolSpec | None
    policy: LeasedPolicy
    approvals: tuple[MetApproval, ...] = ()


@dataclass(frozen=True, slots=True)
class StartTaskRequest:
    """Asks to start a person's task, held by this workload."""

    subject_token: str
    intent_token: str
    purpose: str
    statement: str
    limits: Limits
    request_id: str = ""
    body_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class DelegateTaskRequest:
    """Asks to hand the grant to another workload, in another zone if ``zone`` names one."""

    grant: str
    holder: str
    limits: Limits
    zone: str = ""


@dataclass(frozen=True, slots=True)
class ReportOutcomeRequest:
    """Reports what an allowed call cost and read, as the agent says and perhaps as its backend signed."""

    grant: str
    decision_id: str
    charges: Mapping[str, int]
    labels: tuple[str, ...]
    signed_outcome: str = ""
    succeeded: bool = False


@dataclass(frozen=True, slots=True)
class RenewCredentialRequest:
    """Asks to replace a credential by one that lasts longer.

    ``arguments_json`` are the arguments of its call, as sent; nothing about them is checked yet.
    """

    grant: str
    credential: str
    arguments_json: bytes
