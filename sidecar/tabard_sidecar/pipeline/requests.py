"""Requests as the gRPC layer passes them, and a tool call after its verification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tabard.caveats import Limits

from tabard_sidecar.grants import IndexedGrant
from tabard_sidecar.interfaces import LeasedPolicy, ToolSpec
from tabard_sidecar.model import Agent, MetApproval, ToolCall


@dataclass(frozen=True, slots=True)
class AuthorizeRequest:
    """Asks for one tool call.

    ``context`` is what the caller asserts. ``body_digest`` is the SHA-256 of everything but the request_id, so that a
    retry with another body is noticed.
    """

    grant: str
    call: ToolCall
    scopes: tuple[str, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    discharges: tuple[str, ...] = ()
    request_id: str = ""
    body_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class VerifiedCall:
    """A requested tool call whose caller and grant are verified and whose caveats are met.

    ``spec`` is ``None`` for a tool that the catalogue doesn't know. ``approvals`` are those that people gave for this
    call. ``policy`` is leased for the whole request.
    """

    request: AuthorizeRequest
    agent: Agent
    grant: IndexedGrant
    spec: ToolSpec | None
    policy: LeasedPolicy
    approvals: tuple[MetApproval, ...] = ()

    @property
    def tool(self) -> ToolCall:
        """The tool call itself."""
        return self.request.call


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
    """Asks to hand the grant to another workload."""

    grant: str
    holder: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class ReportOutcomeRequest:
    """Reports what an allowed call cost and read, as the agent says and perhaps as its backend signed."""

    grant: str
    decision_id: str
    charges: Mapping[str, int]
    labels: tuple[str, ...]
    signed_outcome: str = ""


@dataclass(frozen=True, slots=True)
class RenewCredentialRequest:
    """Asks to replace a credential by one that lasts longer."""

    grant: str
    credential: str
