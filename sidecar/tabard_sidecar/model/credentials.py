"""Describes credentials: as policy offers them, as they are asked for, issued and verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, NamedTuple

from tabard_sidecar.model.authority import Agent, VerifiedGrant
from tabard_sidecar.model.calls import ToolCall
from tabard_sidecar.util.lean import dataclass


class Delivery(StrEnum):
    """Who gets a credential."""

    AGENT = "agent"
    EDGE = "edge"
    """Only an edge inside the sidecar, which makes the call for the agent."""


@dataclass(frozen=True, slots=True)
class CredentialTemplate:
    """The credential that policy offers, before it is clamped to the grant.

    Its backend accepts it ``uses`` times; 0 stands for any number until it expires.
    """

    kind: str
    audience: str = ""
    scopes: tuple[str, ...] = ()
    ttl_seconds: float | None = None
    role: str = ""
    uses: int = 0
    delivery: Delivery = Delivery.AGENT


class CredentialRequest(NamedTuple):
    """The content of a credential; already clamped to grant and policy. ``labels`` are those that its task had before."""

    credential_id: str
    decision_id: str
    kind: str
    audience: str
    scopes: tuple[str, ...]
    issued_at: float
    expires_at: float
    uses: int
    role: str
    agent: Agent
    grant: VerifiedGrant
    call: ToolCall
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IssuedCredential:
    """A credential as the agent receives it. ``value`` is secret and never logged."""

    kind: str
    value: str
    credential_id: str
    audience: str
    scopes: tuple[str, ...]
    expires_at: float
    uses: int = 0
    fields: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"IssuedCredential(kind={self.kind!r}, credential_id={self.credential_id!r}, audience={self.audience!r})"


@dataclass(frozen=True, slots=True)
class Introspection:
    """The description of a verified credential."""

    credential_id: str
    kind: str
    task_id: str
    audience: str
    scopes: tuple[str, ...]
    issued_at: float
    expires_at: float
    subject_id: str
    subject_issuer: str
    tool: str
    call_digest: str
    uses: int
    claims: Mapping[str, Any]
