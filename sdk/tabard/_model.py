"""Values that clients take and return. All are frozen; no ``repr`` shows a secret."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from tabard._lean import dataclass
from tabard.codes import ClientCode, ReportedCode


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a decision came out as it did.

    Attributes:
        code: stable code, for example ``"argument_not_granted"``.
        message: what happened, in words of the code. The decision log has the details.
        model_message: what a language model may be told.
        module: policy module that gives the code; empty for a code of Tabard itself.
        next_step: what to do next.
    """

    code: ClientCode | ReportedCode
    message: str = ""
    model_message: str = ""
    module: str = ""
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Credential:
    """What one tool call needs to reach its backend.

    Attributes:
        kind: ``"jwt"``, ``"macaroon"``, ``"vault"`` or ``"exchange"``.
        value: the secret.
        credential_id: identifier for introspection and revocation.
        audience: the one backend that accepts it.
        scopes: scopes that it carries, sorted.
        expires_at: seconds since the epoch.
        single_use: a backend accepts it exactly once.
        fields: secrets of kinds that are more than one string.
        uses: how often a backend accepts it; 0 means any number of times until it expires.
    """

    kind: str
    value: str = field(repr=False)
    credential_id: str = ""
    audience: str = ""
    scopes: tuple[str, ...] = ()
    expires_at: float = 0.0
    single_use: bool = False
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    uses: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP header (RFC 6750 section 2.1) that carries the credential to its backend."""
        return {"Authorization": f"Bearer {self.value}"}

    @property
    def txn_token_headers(self) -> dict[str, str]:
        """The HTTP header that carries the credential to a backend that uses ``Authorization`` for something else."""
        return {"Txn-Token": self.value}

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The gRPC metadata that carries the credential to its backend."""
        return (("authorization", f"Bearer {self.value}"),)

    def expired(self, now: float | None = None) -> bool:
        """Tell whether the credential's time is over, by this machine's clock."""
        return (time.time() if now is None else now) >= self.expires_at


@dataclass(frozen=True, slots=True)
class Obligation:
    """Something that the caller must do when it proceeds."""

    id: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PendingApproval:
    """A call that waits for the approval of a person.

    Attributes:
        approval_id: identifier to show to people.
        code: code of the policy element that asks for the approval.
        module: policy module that asks for it.
        call_grant: secret; the grant, narrowed to this call and to a discharge of this approval.
        expires_at: when the approval stops waiting, in seconds since the epoch.
        group_id: the list in which people are shown it, with other calls of its batch; empty if they are shown it alone.
    """

    approval_id: str
    code: str
    module: str
    call_grant: str = field(repr=False)
    expires_at: float
    group_id: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call to ask about, for batches and streams.

    Attributes:
        name: name of the tool.
        arguments: its arguments, JSON values by name.
        server: server or integration that offers it; optional.
        scopes: scopes that the credential should carry; empty means those that policy grants.
        context: facts that the caller asserts.
        request_id: makes asking idempotent; optional.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    server: str = ""
    scopes: tuple[str, ...] = ()
    context: Mapping[str, Any] | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class ToolRef:
    """A tool by name and, where it matters, the server that offers it."""

    name: str
    server: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """The person on whose behalf work is done."""

    id: str
    issuer: str


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One verified step of delegation; ``sub_agent`` is empty for a change of workload."""

    holder: str
    sub_agent: str
    link_id: str


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """What the sidecar says about a task. Times are seconds since the epoch."""

    task_id: str
    subject: Subject
    purpose: str
    statement: str
    intent_source: Literal["signed", "asserted"]
    started_at: float
    expires_at: float
    chain: tuple[ChainLink, ...] = ()
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Introspection:
    """What the sidecar says about a credential. If it isn't active, nothing else is set."""

    active: bool
    credential_id: str = ""
    audience: str = ""
    scopes: tuple[str, ...] = ()
    expires_at: float = 0.0
    subject: Subject | None = None
    tool: str = ""

    def __bool__(self) -> bool:
        return self.active
