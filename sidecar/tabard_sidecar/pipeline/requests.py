"""What callers ask, after the gRPC edge has parsed it and before anything is verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tabard.caveats import Limits

from tabard_sidecar.model import ToolCall


@dataclass(frozen=True, slots=True)
class AuthorizeRequest:
    """May this holder make this tool call?

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
class StartTaskRequest:
    """May this person's task start, held by this workload?"""

    subject_token: str
    intent_token: str
    purpose: str
    statement: str
    limits: Limits
    request_id: str = ""
    body_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class DelegateTaskRequest:
    """May the holder hand the grant to another workload?"""

    grant: str
    holder: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class ReportOutcomeRequest:
    """What an allowed call turned out to cost and to have read, by the agent's word and perhaps the backend's."""

    grant: str
    decision_id: str
    charges: Mapping[str, int]
    labels: tuple[str, ...]
    signed_outcome: str = ""


@dataclass(frozen=True, slots=True)
class RenewCredentialRequest:
    """May a credential be replaced by one that lasts longer?"""

    grant: str
    credential: str
