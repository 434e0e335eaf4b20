"""Data classes that the stages of the pipeline exchange.

Everything here is frozen and free of protobuf: messages become these classes at the gRPC edge and nowhere else.
Times are seconds since the epoch as ``float``; durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from itertools import takewhile
from typing import Any, NamedTuple

from tabard.caveats import Budget, Caveat, Limits

from tabard_sidecar.facts import Notes
from tabard_sidecar.reasons import PolicyCode, ReasonCode
from tabard_sidecar.util.lean import dataclass

REPORTED = "reported:"
"""Prefix of labels that only an agent reports."""


class Operation(StrEnum):
    """The operation that policy decides about; ``input.operation``."""

    START_TASK = "start_task"
    DELEGATE = "delegate"
    AUTHORIZE = "authorize"
    FILTER_TOOLS = "filter_tools"
    RENEW = "renew"


class IntentSource(StrEnum):
    """Origin of a task's purpose and statement."""

    SIGNED = "signed"
    ASSERTED = "asserted"


@dataclass(frozen=True, slots=True)
class Subject:
    """The person on whose behalf work is done, as verified from an access token.

    The pair (issuer, id) is the identity; an id alone never is. ``claims`` holds only the verified claims that the
    issuer's configuration lists. ``token_id`` names the presented token, a SHA-256 over its issuer and ``jti`` (or what
    was signed), and ``expires_at`` the time until which it is accepted, ``issued_at`` when it was issued (0 if it
    doesn't say); these are only set while a task is being started.
    """

    id: str
    issuer: str
    claims: Mapping[str, Any] = field(default_factory=dict)
    authenticated_at: float | None = None
    token_id: str = ""
    expires_at: float = 0.0
    issued_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Agent:
    """The workload of this sidecar: its SPIFFE ID and the attributes that its issuer attests."""

    id: str
    issuer: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Intent:
    """Purpose and statement of a task, fixed when it starts.

    ``limits`` are the initiator's own narrowing, present only when ``source`` is signed. ``token_id`` is the nonce
    (``jti``) that works once, ``expires_at`` the time until which its use has to be stored, ``issued_at`` when it was
    signed at the earliest.
    """

    purpose: str
    statement: str
    source: IntentSource
    limits: Limits | None = None
    token_id: str = ""
    expires_at: float = 0.0
    issued_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Handover:
    """What one zone hands to a workload of another: a task with everything that narrows it.

    Attributes:
        zone: the zone that hands it over.
        holder: the workload there that does.
        task_id: its task there.
        subject: the person, as verified there.
        intent: purpose and statement, as verified or asserted there.
        task_started_at: when the task started there.
        task_expires_at: when its grant expires there at the latest.
        caveats: of the whole chain.
        labels: those that the task sees there.
        token_id: names the token, which works once.
        expires_at: until when its use has to be stored.
        issued_at: when it was signed.
    """

    zone: str
    holder: str
    task_id: str
    subject: Subject
    intent: Intent
    task_started_at: float
    task_expires_at: float
    caveats: tuple[Caveat, ...]
    labels: Sequence[str]
    token_id: str = ""
    expires_at: float = 0.0
    issued_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work a subject asked for, as the root grant states it."""

    id: str
    purpose: str
    statement: str
    intent_source: IntentSource
    started_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Link:
    """One verified step of the chain.

    ``link_id`` is the SHA-256 (hex) of the chain signature after the step; ``parent_id`` that of the step before, or
    the root's. ``holder`` is the workload that may use the grant after this step; for a branch it equals the parent's
    holder and ``sub_agent`` is the asserted name. ``caveats`` are the restrictions added after this step and before
    the next one.
    """

    kind: str  # "hop" or "branch"
    holder: str
    sub_agent: str
    link_id: str
    parent_id: str
    caveats: tuple[Caveat, ...] = ()


@dataclass(frozen=True, slots=True)
class BudgetLimit:
    """One budget caveat of a chain: ``budget_id`` is the SHA-256 (hex) of the chain's signature after the caveat."""

    budget_id: str
    name: str
    limit: int


@dataclass(frozen=True, slots=True)
class VerifiedGrant:
    """A grant whose signatures and seals hold; its caveats still have to be checked against the request.

    ``digest`` (SHA-256 of the serialised grant, hex) identifies exactly this grant, ``root_id`` the root of its tree.
    ``caveats`` is every caveat in order, hops and branches included; ``root_caveats`` those before the first link.
    ``expires_at`` is the earliest of all expiries. ``holder`` is who may use it now. ``budgets`` are the budget caveats
    in order, each with the identifier under which it is charged. ``granted_budgets`` are the names of those that policy
    granted: they are the first caveats of the root grant, where no holder can append; a later budget only narrows them.
    """

    digest: str
    key_id: str
    zone: str
    root_id: str
    root_holder: str
    subject: Subject
    task: Task
    root_caveats: tuple[Caveat, ...]
    links: tuple[Link, ...]
    caveats: tuple[Caveat, ...]
    expires_at: float
    budgets: tuple[BudgetLimit, ...] = ()
    granted_budgets: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Collect the names of the granted budgets."""
        first = takewhile(lambda caveat: isinstance(caveat, Budget), self.root_caveats)
        names = frozenset(caveat.name for caveat in first if isinstance(caveat, Budget))
        object.__setattr__(self, "granted_budgets", names)

    @property
    def holder(self) -> str:
        """Workload that may use the grant."""
        return self.links[-1].holder if self.links else self.root_holder

    @property
    def holder_id(self) -> str:
        """Identifier of the last step, under which the holder's subtree is ended or revoked."""
        return self.links[-1].link_id if self.links else self.root_id

    @property
    def link_ids(self) -> tuple[str, ...]:
        """Identifiers of the root and every step after it; ending any of them ends the grant."""
        return (self.root_id, *(link.link_id for link in self.links))

    @property
    def sub_agent(self) -> str:
        """Asserted name of the sub-agent, or the empty string."""
        return self.links[-1].sub_agent if self.links else ""

    @property
    def depth(self) -> int:
        """Number of hops and branches."""
        return len(self.links)


class ToolCall(NamedTuple):
    """One call an agent wants to make.

    ``arguments_json`` is the canonical (RFC 8785) form; ``digest`` is the SHA-256 over name, server and arguments as
    :func:`tabard.arguments.call_digest` computes it, hex.
    """

    name: str
    server: str
    arguments: Mapping[str, Any]
    arguments_json: bytes
    digest: str


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason of a decision. ``code`` is documented in :mod:`tabard_sidecar.reasons`.

    Agents are told ``message`` only of a code that a policy's own rule gives. ``argument`` is the argument of the call
    that the reason is about, or empty.
    """

    code: ReasonCode | PolicyCode
    message: str = ""
    module: str = ""
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Obligation:
    """A duty of the caller if it makes the call."""

    id: str
    properties: Mapping[str, Any]


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


@dataclass(frozen=True, slots=True)
class Ask:
    """A policy element that requires a person's approval.

    ``module`` is the name of its module, without ``policy.``. ``approvers`` are roles of the configuration,
    any of which may approve. An approval allows ``uses`` calls within ``ttl_seconds``. With ``ask_again`` a refusal closes
    the refused call only, and not every call of that tool for which this element asks.
    """

    module: str
    code: str
    approvers: tuple[str, ...]
    reason: str
    uses: int
    ttl_seconds: float
    ask_again: bool = False


@dataclass(frozen=True, slots=True)
class PendingApproval:
    """A call that waits for a person. ``call_grant`` is secret: the grant narrowed to this call and that approval.

    ``group_id`` names the list in which a person is shown it; empty if it is shown alone.
    """

    approval_id: str
    module: str
    code: str
    call_grant: str = field(repr=False)
    expires_at: float
    group_id: str = ""


@dataclass(frozen=True, slots=True)
class MetApproval:
    """An approval by a person, as policies see it; ``module`` asked for it (without ``policy.``)."""

    approval_id: str
    module: str
    code: str
    approver_id: str
    approver_issuer: str
    approved_at: float


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """The decision composed from every policy element.

    ``denials`` not empty means deny. Otherwise ``granted_by`` names the granting elements. ``limits`` holds
    one entry per start or delegate element, each to become caveats of its own. ``asks`` are the elements that
    require a person's approval and don't have it; they are set only if nothing else denies and something
    grants.

    ``charges`` are amounts by name of the budget, the largest that any grant names; labels are united. ``notes`` are the
    facts that the call notes, ``None`` if there are none.
    """

    revision: str
    denials: tuple[Reason, ...] = ()
    asks: tuple[Ask, ...] = ()
    charges: Mapping[str, int] = field(default_factory=dict)
    task_labels: tuple[str, ...] = ()
    branch_labels: tuple[str, ...] = ()
    granted_by: tuple[Reason, ...] = ()
    credential: CredentialTemplate | None = None
    reuse: bool = False
    obligations: tuple[Obligation, ...] = ()
    limits: tuple[Limits, ...] = ()
    ttl_seconds: float | None = None
    notes: Notes | None = None

    @property
    def allowed(self) -> bool:
        """True only if nothing denies and something grants."""
        return not self.denials and bool(self.granted_by)

    def charging(self, charges: Mapping[str, int]) -> PolicyDecision:
        """Return the decision with other charges: ``dataclasses.replace`` in a fifth of the time."""
        return PolicyDecision(
            self.revision,
            self.denials,
            self.asks,
            charges,
            self.task_labels,
            self.branch_labels,
            self.granted_by,
            self.credential,
            self.reuse,
            self.obligations,
            self.limits,
            self.ttl_seconds,
            self.notes,
        )


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


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one request."""

    decision_id: str
    allowed: bool
    reasons: tuple[Reason, ...]
    policy_revision: str = ""
    credential: IssuedCredential | None = None
    obligations: tuple[Obligation, ...] = ()
    reusable: bool = False
    approvals: tuple[PendingApproval, ...] = ()
