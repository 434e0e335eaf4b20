"""Describes who acts for whom, and what they were granted: what a sidecar has verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from itertools import takewhile
from typing import Any, NamedTuple

from tabard.caveats import Budget, Caveat, Limits

from tabard_sidecar.util.lean import dataclass


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


class BudgetLimit(NamedTuple):
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
