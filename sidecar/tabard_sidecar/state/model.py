"""Arguments and results of the state store's operations. Times are seconds since the epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum

from tabard_sidecar.facts import NO_FACTS, FactRow, Facts, Notes
from tabard_sidecar.model import BudgetLimit
from tabard_sidecar.state.labels import CarriedLabel, owner_id
from tabard_sidecar.util.jsontext import encode
from tabard_sidecar.util.lean import dataclass

REASONS_KEPT = 16
"""Most reasons that a revocation keeps."""


class ClaimState(StrEnum):
    """Result of an attempt to claim a request."""

    NEW = "new"
    DONE = "done"
    PENDING = "pending"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Claim:
    """Answer to :meth:`StateStore.claim_request`. ``response`` is set if and only if the state is DONE."""

    state: ClaimState
    response: bytes = b""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task in the store, opened once, when its root grant is minted.

    ``root_id`` identifies the root grant.
    """

    root_id: str
    task_id: str
    subject_issuer: str
    subject_id: str
    workload: str
    purpose: str
    started_at: float
    expires_at: float

    @property
    def owner(self) -> str:
        """Whose labels the task inherits: id of its person together with its workload."""
        return owner_id(self.subject_issuer, self.subject_id, self.workload)


@dataclass(frozen=True, slots=True)
class KeptToken:
    """The subject token that started a task, encrypted, and when it expires. The store can't read it."""

    sealed: bytes = field(repr=False)
    expires_at: float


@dataclass(frozen=True, slots=True)
class Child:
    """One step of a chain, counted as a child of its parent.

    ``limit`` is the smallest number of children that any caveat allows the parent, or ``None``. ``root_id``, ``holder``
    and ``sub_agent`` are stored to show the task's tree to operators. ``owner`` is who holds the link, ``above`` are the
    owners of the links before it, outermost first, and ``hop`` tells that a workload takes part from here on: it gets
    the labels that those before it see.
    """

    parent_id: str
    child_id: str
    limit: int | None
    root_id: str = ""
    holder: str = ""
    sub_agent: str = ""
    owner: str = ""
    above: tuple[str, ...] = ()
    hop: bool = False


@dataclass(frozen=True, slots=True)
class PastCall:
    """One allowed call of a task, as policies see it. ``labels`` are those that it added, sorted.

    ``encoded`` is the same as JSON, because a call is read from the store once and passed to policy many times.
    """

    tool: str
    labels: tuple[str, ...]
    at: float
    allowed: bool = True
    encoded: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        shown = {"tool": self.tool, "allowed": self.allowed, "labels": self.labels, "at": round(self.at, 6)}
        object.__setattr__(self, "encoded", encode(shown))


@dataclass(frozen=True, slots=True)
class Chain:
    """The parts of a grant that state is stored for, outermost first.

    ``link_ids`` begins with the root's id. ``budgets`` are all budgets of the chain. ``owners`` says who holds each of the
    links (see :func:`~tabard_sidecar.state.labels.owner_id`); ``workloads`` are the owners of its root and its
    hops, each once, the present holder last.
    """

    link_ids: tuple[str, ...]
    budgets: tuple[BudgetLimit, ...] = ()
    owners: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()

    @property
    def root_id(self) -> str:
        """Identifier of the root grant."""
        return self.link_ids[0]


@dataclass(frozen=True, slots=True)
class TaskState:
    """The state of a chain's task.

    Attributes:
        known: the task was opened in this store and hasn't been deleted as expired.
        ended: a link of the chain that was ended or revoked, or empty.
        children: how many children its last link has.
        spent: the amount spent of each budget, by budget id; a budget without a charge may be missing.
        labels: labels of the whole task, of the chain's branches, and of the chain's owners since the task began, sorted.
        label_version: grows whenever the chain sees a label that it didn't see before, and whenever facts of the task
            change. (It may go back when a label of an owner is deleted as expired, never to a number that it had.)
        carried: labels that the next reservation has to store with others who saw them.
        calls: the last calls of the whole task, oldest first.
        with_calls: the calls were read; if false, ``calls`` is empty even if the task has some.
        revocations: sequence number of the newest revocation in the zone; 0 if there was none.
        epoch: grows with every write in the zone. A store whose epoch goes back has lost what it once acknowledged.
        changes: grows with every change of the task's state, except revocations.
        cached: the state was taken from the last reservation and wasn't looked up for this request.
        facts: those of the whole task and of the chain's links.
    """

    known: bool
    ended: str = ""
    children: int = 0
    spent: Mapping[str, int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    label_version: int = 0
    carried: tuple[CarriedLabel, ...] = ()
    calls: tuple[PastCall, ...] = ()
    with_calls: bool = False
    revocations: int = 0
    epoch: int = 0
    changes: int = 0
    cached: bool = False
    facts: Facts = NO_FACTS


@dataclass(frozen=True, slots=True)
class Reservation:
    """The charges, approvals, labels and facts of one allowed call, to be reserved all or nothing.

    Attributes:
        chain: of the grant under which it is made.
        decision_id: of the decision; an outcome names it.
        tool: name of the tool.
        charges: amounts by name of the budget, each 0 or more. Every budget of the chain with that name is charged.
        task_labels: labels that the call adds to the whole task and to every workload that takes part in it.
        branch_labels: labels that it adds to the holder's own link and what is below it, and to the link's owner.
        label_version: the label version that policy saw.
        approvals: approvals that the call uses up once each, by id.
        now: time of the call.
        audience: audience of the call's credential, or empty; only that backend can refund a charge.
        usable_until: when the call's credential expires; 0 if it has none. Until then it can read again what its labels
            stand for, so they count as added at that time.
        carried: those of the task state that policy saw.
        unchanged: ``changes`` and ``revocations`` of the task state that policy saw, if they must still be current;
            ``None`` if only the label version must be.
        epoch: the zone's epoch in that state, if ``unchanged`` is given, else -1; while it is current, nothing was written.
        notes: facts that the call notes, and those that its backend may note; ``None`` if there are none.
        shared: the call's credential is accepted several times, so no outcome of one use takes anything back.
    """

    chain: Chain
    decision_id: str
    tool: str
    charges: Mapping[str, int]
    task_labels: tuple[str, ...]
    branch_labels: tuple[str, ...]
    label_version: int
    approvals: tuple[str, ...]
    now: float
    audience: str = ""
    carried: tuple[CarriedLabel, ...] = ()
    unchanged: tuple[int, int] | None = None
    epoch: int = -1
    usable_until: float = 0.0
    notes: Notes | None = None
    shared: bool = False

    @property
    def fact_rows(self) -> list[FactRow]:
        """What the call adds to the facts that are stored."""
        return self.notes.rows(self.chain.link_ids[-1]) if self.notes is not None else []

    @property
    def backend_notes(self) -> dict[str, str]:
        """The link of each fact that the call's backend may note."""
        return self.notes.links(self.chain.link_ids[-1]) if self.notes is not None else {}

    @property
    def labels_at(self) -> float:
        """When the call's labels count as added."""
        return max(self.now, self.usable_until)


class ReserveState(StrEnum):
    """Result of a reservation. Only DONE changed anything."""

    DONE = "done"
    CHANGED = "changed"  # the task has changed since policy saw it: evaluate again
    EXHAUSTED = "exhausted"  # a budget doesn't have that much left
    ENDED = "ended"  # a link has been ended
    UNKNOWN = "unknown"  # the task isn't in this store
    FULL = "full"  # the holder would have added more labels than it may
    FACTS_FULL = "facts_full"  # the task would have more facts than it may
    APPROVAL_USED = "approval_used"  # an approval was used up, or isn't valid any more


@dataclass(frozen=True, slots=True)
class Reserved:
    """Answer to :meth:`StateStore.reserve`.

    ``what`` names the budget's id, the ended link, the approval or the fact. What follows is set if it is DONE, and as it was right
    after: the zone's epoch, the task's changes and label version, the zone's newest revocation.
    """

    state: ReserveState
    what: str = ""
    epoch: int = 0
    changes: int = 0
    label_version: int = 0
    revocations: int = 0


@dataclass(frozen=True, slots=True)
class SignedOutcome:
    """What a call's backend signed about it.

    Its amounts and facts count once per decision, its labels whenever they are reported.

    Attributes:
        audience: the backend; it must be the one that the decision's credential was for.
        charges: amounts to add by name of the budget, each 0 or more.
        refunds: amounts to give back by name, each 0 or more and at most what the decision charged.
        labels: labels to add to the whole task. They count as added when the decision's credential expires, if that is
            later than the report.
        facts: elements to note, by name; those under a name that the decision's grant doesn't list aren't noted.
        failed: the call did nothing, so the facts that it noted are taken back. It then notes none.
    """

    audience: str
    charges: Mapping[str, int] = field(default_factory=dict)
    refunds: Mapping[str, int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    failed: bool = False

    @property
    def takes_back(self) -> bool:
        """Whether it gives charges back, or takes back what the call noted."""
        return self.failed or any(self.refunds.values())

    @property
    def amounts(self) -> str:
        """Digest of an outcome that holds what counts once, by which it is known when it is reported again; else empty."""
        noted = sorted((name, sorted(set(elements))) for name, elements in self.facts.items() if elements)
        if not any(self.charges.values()) and not noted and not self.takes_back:
            return ""
        parts = [sorted(self.charges.items()), sorted(self.refunds.items()), sorted(set(self.labels))]
        parts += [noted, self.failed]
        return hashlib.sha256(encode([self.audience, *parts])).hexdigest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The actual cost of a call, and labels for what it read.

    Attributes:
        root_id: root of the task.
        link_id: last link of the presented chain; the decision must have been made for it.
        decision_id: the decision.
        now: time of the report.
        charges: amounts to add that the holder says, by name of the budget, each 0 or more. No raise is more than every
            budget of its name has left in the decision's chain.
        reported: labels to add to the whole task that the holder says, with their prefix.
        workload: owner of the hop or root that reports, or empty.
        signed: what the backend signed, or ``None``.
    """

    root_id: str
    link_id: str
    decision_id: str
    now: float
    charges: Mapping[str, int] = field(default_factory=dict)
    reported: tuple[str, ...] = ()
    workload: str = ""
    signed: SignedOutcome | None = None

    @property
    def raised(self) -> dict[str, int]:
        """All amounts to add, by name."""
        signed = self.signed.charges if self.signed is not None else {}
        return {name: self.charges.get(name, 0) + signed.get(name, 0) for name in {*self.charges, *signed}}


class OutcomeState(StrEnum):
    """Result of reporting an outcome."""

    DONE = "done"
    UNKNOWN = "unknown"  # no such decision, not this holder's, or too long ago
    FOREIGN = "foreign"  # the decision's credential wasn't for the backend that signed: nothing was done
    REPEATED = "repeated"  # the amounts of this signed outcome were counted before: only labels were added
    COUNTED = "counted"  # those of another signed outcome were counted before: only labels were added
    SHARED = "shared"  # it takes something back of a call of several uses: only labels were added
    FULL = "full"  # the holder would have added more labels than it may: nothing was done
    TOO_MUCH = "too_much"  # it refunds more than was charged: nothing was done
    FACTS_FULL = "facts_full"  # the task would have more facts than it may: all but the facts counts; a retry tries them


class RevocationKind(StrEnum):
    """Kind of a revocation's target."""

    LINK = "link"  # a root or link id: that holder and everything below
    AGENT = "agent"  # a workload's SPIFFE ID
    SUBJECT = "subject"  # "<issuer> <id>": tasks started and tokens issued before
    CREDENTIAL = "credential"  # a credential id
    STATE = "state"  # the store lost acknowledged writes: all tasks started before


class RevocationOrigin(StrEnum):
    """Who made a revocation. Reasons are words for people; what a revocation means depends on this and its kind."""

    OPERATOR = "operator"
    SIDECAR = "sidecar"  # a sidecar that noticed a loss of data
    HOLDER = "holder"  # the workload that ended its own part of a task, or revoked its own credential


@dataclass(frozen=True, slots=True)
class Revocation:
    """One revocation. The store assigns ``seq``, which orders all revocations of a zone.

    ``reasons`` are in the order in which they were given: the first one and the newest, at most :data:`REASONS_KEPT`.
    """

    kind: RevocationKind
    target: str
    at: float
    expires_at: float
    reasons: tuple[str, ...] = ()
    origin: RevocationOrigin = RevocationOrigin.OPERATOR
    seq: int = 0

    def beside(self, older: Revocation) -> Revocation:
        """Return this revocation merged with an earlier one of the same target, which never gets less by it."""
        fresh = tuple(reason for reason in self.reasons if reason not in older.reasons)
        reasons = older.reasons + fresh
        return replace(
            self,
            at=max(self.at, older.at),
            expires_at=max(self.expires_at, older.expires_at),
            reasons=reasons[:1] + reasons[1:][-(REASONS_KEPT - 1) :],
            origin=self.origin if older.origin is RevocationOrigin.HOLDER else older.origin,
        )
