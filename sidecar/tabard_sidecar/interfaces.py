"""Interfaces of the components that the pipeline uses. The pipeline imports no implementation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, Self

from tabard_sidecar.facts import FactKind
from tabard_sidecar.model import (
    Agent,
    Ask,
    CredentialRequest,
    Decision,
    Handover,
    Intent,
    Introspection,
    IssuedCredential,
    MetApproval,
    Operation,
    PendingApproval,
    PolicyDecision,
    Subject,
    ToolCall,
    VerifiedGrant,
)
from tabard_sidecar.util.json_parts import LongPart
from tabard_sidecar.util.lean import dataclass

Introspect = Callable[[str], Awaitable[Introspection | None]]
"""Describes a credential that is active now; ``None`` for every other string."""


class Clock(Protocol):
    """Source of the time; injected so that tests can move it."""

    def __call__(self) -> float:
        """Seconds since the epoch."""
        ...


class SubjectVerifier(Protocol):
    """Verifies access tokens of people."""

    async def verify(self, token: str) -> Subject:
        """Return whom the token speaks of.

        Raises:
            Refused: the token isn't acceptable; the code says why.
            NoDecision: the issuer's keys aren't available.
        """
        ...


class SubjectTokenKeeper(Protocol):
    """Seals people's tokens that later calls present again to their issuer."""

    def sealed(
        self, token: str, subject: Subject, root_id: str, *, until: float
    ) -> tuple[bytes, float] | None:
        """Return a verified token encrypted, and until when it is kept; ``None`` for one that isn't kept.

        It opens for the task of ``root_id`` only, and is kept until it expires or ``until``.

        Raises:
            NoDecision: no key can be used.
        """
        ...


class HandoverVerifier(Protocol):
    """Verifies tokens by which other zones hand tasks over."""

    async def verify(self, token: str, holder: str) -> Handover:
        """Return what a token hands to a workload.

        Raises:
            Refused: it isn't acceptable.
            NoDecision: the zone's keys are unavailable.
        """
        ...


class IntentVerifier(Protocol):
    """Verifies signed intents."""

    async def verify(self, token: str, subject: Subject) -> Intent:
        """Return the signed intent of ``subject``.

        Raises:
            Refused: the intent isn't acceptable; the code says why.
        """
        ...


class AgentIdentitySource(Protocol):
    """Identifies the workload of this sidecar."""

    def current(self) -> Agent:
        """Return the identity that was verified last.

        Raises:
            NoDecision: there is no identity that is still valid.
        """
        ...


@dataclass(frozen=True, slots=True)
class CandidateTool:
    """One tool of a FilterTools request, with its annotations from the catalogue."""

    name: str
    server: str
    annotations: Mapping[str, Any] = field(default_factory=dict)


class InputParts(NamedTuple):
    """What makes up the policy input of a tool call, beside the time and what is alike in all of them.

    ``verified`` is of the grant: subject, agent, task without facts, delegation without children. ``name``, ``server`` and
    ``annotations`` (JSON) are of the tool; ``arguments`` are those of the call, and ``arguments_json`` the same as in the
    input. ``others`` are the texts of all else, in an order of its own.
    """

    verified: bytes | LongPart
    name: str
    server: str
    annotations: bytes
    arguments: Mapping[str, Any]
    arguments_json: bytes
    others: tuple[bytes | LongPart, ...]


class LeasedPolicy(Protocol):
    """One policy, unchanged while it is leased. An error in the policy is a denial and never raises."""

    @property
    def revision(self) -> str:
        """Revision of the policy."""
        ...

    @property
    def reads_history(self) -> bool:
        """True unless it is certain that no rule looks at a task's calls or labels."""
        ...

    @property
    def reads_calls(self) -> bool:
        """True unless it is certain that no rule looks at a task's calls."""
        ...

    @property
    def facts(self) -> Mapping[str, FactKind]:
        """The facts that its grants note, by name; empty if they note none."""
        ...

    async def decide(
        self,
        operation: Operation,
        input_json: bytes,
        *,
        approvals: frozenset[tuple[str, str]] = frozenset(),
        parts: InputParts | None = None,
    ) -> PolicyDecision:
        """Evaluate ``data.tabard.decision`` and compose its elements.

        ``approvals`` are module and code of the approvals that people have given for this very call. ``parts`` are those of
        the input, if it is a tool call's: they tell sooner whether its answer is known.

        Raises:
            NoDecision: the engine can't be reached or is overloaded.
        """
        ...

    async def filter_tools(self, inputs: Sequence[bytes]) -> list[bool]:
        """Tell per policy input whether some ``tool.arguments`` could be allowed."""
        ...


class PolicyRuntime(Protocol):
    """Holds the active policy and replaces it when its source changes."""

    @property
    def revision(self) -> str:
        """Revision of the policy that is active."""
        ...

    def lease(self) -> AbstractContextManager[LeasedPolicy]:
        """Lease the active policy: it stays usable until the context ends, whatever is loaded meanwhile.

        Raises:
            NoDecision: no policy is loaded.
        """
        ...

    async def mask(self, record_json: bytes) -> list[Any]:
        """Evaluate ``data.system.log.mask`` on a decision record; an empty list if no policy defines it."""
        ...


class Observer(Protocol):
    """Observes the pipelines, for metrics and traces."""

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Observe one stage of a request while the context lasts."""
        ...

    def decision(self, operation: Operation) -> AbstractContextManager[object]:
        """Observe the work of one decision while the context lasts."""
        ...

    def decided(
        self, operation: Operation, decision: Decision, seconds: float, *, task_id: str, tool: str
    ) -> None:
        """Count a decision and its duration; task and tool are empty if nothing verified names them."""
        ...


@dataclass(frozen=True, slots=True)
class ArgumentFault:
    """Why arguments don't fit a tool's schema.

    ``argument`` is the name of one that the call has, dotted below the first level; empty if the fault is elsewhere.
    ``message`` says what is wrong, without any value, but may quote the schema.
    """

    message: str
    argument: str = ""


class ToolSpec(Protocol):
    """The catalogue's entry for one tool."""

    @property
    def name(self) -> str:
        """Name of the tool."""
        ...

    @property
    def server(self) -> str:
        """Server that offers it; empty for any."""
        ...

    @property
    def read_only(self) -> bool:
        """True if the catalogue marks the tool as changing nothing."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of what the tool returns, sorted; a call adds them to its task."""
        ...

    @property
    def annotations(self) -> Mapping[str, Any]:
        """The catalogue's annotations, for example ``readOnlyHint``; policies see them as ``input.tool.annotations``."""
        ...

    def fits(self, arguments: Mapping[str, Any]) -> bool:
        """Tell whether arguments fit. Takes as long as the schema makes it."""
        ...

    def explain(self, arguments: Mapping[str, Any]) -> ArgumentFault:
        """Return the problem of arguments that don't fit, which takes longer."""
        ...

    def steps(self, call: ToolCall) -> int:
        """Return an upper bound of the steps, of some 10 ns each, that :meth:`fits` takes."""
        ...

    def explaining_steps(self, call: ToolCall) -> int:
        """Return an upper bound of the steps that :meth:`explain` takes."""
        ...

    @property
    def schema_json(self) -> bytes:
        """The schema of the arguments as JSON."""
        ...

    def told(self, fault: tuple[str, str], arguments: Mapping[str, Any]) -> ArgumentFault:
        """Return a fault of arguments, given its place and the problem, as it is told."""
        ...


class ArgumentChecker(Protocol):
    """Checks arguments against the catalogue, off the event loop where that takes long."""

    async def fault(self, spec: ToolSpec, call: ToolCall) -> ArgumentFault | None:
        """Return the problem of a call's arguments, or ``None``.

        Raises:
            NoDecision: too many costly checks are being made.
        """
        ...


class Catalogue(Protocol):
    """The tools that are known."""

    @property
    def required(self) -> bool:
        """True if a tool that isn't known is denied."""
        ...

    def lookup(self, name: str, server: str) -> ToolSpec | None:
        """Return the entry for a tool, or ``None``."""
        ...

    def __iter__(self) -> Iterator[ToolSpec]:
        """Yield every known tool."""
        ...


class Withdrawal(StrEnum):
    """What became of a credential whose answer isn't given."""

    NOTHING_ISSUED = "nothing_issued"  # proven, so what was reserved for it is released
    ENDED = "ended"  # it was issued, and is of no use any more
    UNCLEAR = "unclear"  # it may have been issued, and ends by itself


class CredentialIssuer(Protocol):
    """Issues, verifies and describes credentials of one kind."""

    @property
    def kind(self) -> str:
        """The kind, as policy names it."""
        ...

    def compute(self, request: CredentialRequest) -> IssuedCredential | None:
        """Return the credential if issuing only needs computation; otherwise do nothing and return ``None``.

        A computed credential leaves the process with the reply only, so it needs no intent in the decision log.

        The caller may discard it. Raises what :meth:`issue` would raise.
        """
        ...

    async def issue(self, request: CredentialRequest) -> IssuedCredential:
        """Issue a credential, within a time that the issuer bounds. Whatever this raises, :meth:`withdraw` follows.

        Raises:
            NoDecision: the issuer's backend or key can't be reached.
            Refused: the issuer offers no such credential.
        """
        ...

    def commit(self, request: CredentialRequest) -> None:
        """Note that the decision is recorded and its answer leaves now. Returns at once and never raises."""
        ...

    def give_up(self, request: CredentialRequest) -> None:
        """Note that :meth:`withdraw` follows: a request that waits for its turn fails now. Returns at once, never raises."""
        ...

    async def withdraw(self, request: CredentialRequest) -> Withdrawal:
        """End the credential of a request whose answer isn't given, and tell whether there was one. Never raises."""
        ...

    def inspect(self, value: str) -> Introspection:
        """Verify a credential of this kind and return its description.

        Raises:
            Refused: it isn't one, is forged, or has expired.
        """
        ...


class DecisionRecord(NamedTuple):
    """One line of the decision log: a decision, or a change that an operator, an approver or a holder made.

    ``event`` is ``"intent"`` (before anything leaves the process or is changed) or ``"outcome"``. ``operation`` is an
    :class:`Operation` or the name of a change. ``input_json`` is the policy input as it was evaluated, or what the change
    is about; ``input_parts`` make it up, if some are so long that a record may refer to an earlier one for them.
    ``result`` never holds a credential's value. ``metrics`` are nanoseconds by name, as OPA reports.
    ``root_holder`` is the workload that started the task, if it isn't the one that asks. ``by`` says
    who made a change; no mask applies to such a record.
    """

    event: str
    decision_id: str
    operation: str
    timestamp: float
    input_json: bytes
    result: Mapping[str, Any]
    policy_revision: str
    request_id: str = ""
    metrics: Mapping[str, int] | None = None
    root_holder: str = ""
    by: Mapping[str, Any] | None = None
    input_parts: tuple[bytes | LongPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Unverified:
    """A refused request without a verified grant, of which any number can come.

    ``request`` returns it as JSON; only its digest is recorded. ``verified`` is its whole record if a person's token was
    verified; ``who`` then names workload and person.
    """

    decision_id: str
    operation: str
    timestamp: float
    code: str
    message: str
    request: Callable[[], bytes]
    verified: DecisionRecord | None = None
    who: Mapping[str, Any] = field(default_factory=dict)

    @property
    def person(self) -> tuple[str, str]:
        """Identifier and issuer of the person; empty if none was verified."""
        subject = self.who.get("subject", {})
        return subject.get("id", ""), subject.get("issuer", "")


class Together(Protocol):
    """The calls of one batch, whose approvals people are shown as lists. A context manager: leave it when all are asked about."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *exc_info: object) -> None:
        """Announce what was asked for."""
        ...

    def current(self, group_id: str) -> str:
        """Return the group that has the approvals of a group of this batch now."""
        ...


class Approvals(Protocol):
    """Requests approvals of calls, and recognises approved calls."""

    def together(self) -> Together:
        """Return a context for the calls of one batch."""
        ...

    async def ask(  # noqa: PLR0913 - what a person is shown has that many sides
        self,
        serialised: str,
        grant: VerifiedGrant,
        agent: Agent,
        call: ToolCall,
        asks: Sequence[Ask],
        *,
        known_tool: bool,
        now: float,
        together: Together | None = None,
    ) -> tuple[PendingApproval, ...]:
        """Store that a call waits for approval, one approval per ask.

        ``serialised`` is the grant as it was presented. The same request again returns the approvals that
        wait already. ``known_tool`` tells whether the catalogue has the tool, ``together`` to which batch the call belongs.

        Raises:
            Refused: ``approvals_exceeded``, too many approvals wait already; ``approval_denied``, a person has refused;
                ``approver_unknown``, no configured role could approve.
            NoDecision: the state store is out of reach.
        """
        ...

    async def met(self, grant: VerifiedGrant, call: ToolCall, *, now: float) -> tuple[MetApproval, ...]:
        """Return the approvals of this call, one per third-party caveat of the grant.

        The discharges were verified with the grant; this looks up who approved what.

        Raises:
            Refused: ``approval_invalid``, an approval doesn't exist any more, isn't approved or belongs to
                another call.
            NoDecision: the state store is out of reach.
        """
        ...


class Revocations(Protocol):
    """Checks requests against the zone's revocations."""

    @property
    def newest(self) -> int:
        """Sequence number of the newest revocation that is known."""
        ...

    async def check(self, agent: Agent, grant: VerifiedGrant, *, newest: int, now: float) -> None:
        """Check that no workload or person of a chain was revoked. The state store itself checks links.

        ``newest`` is the sequence number of the zone's newest revocation; newer revocations are fetched
        first.

        Raises:
            Refused: ``agent_revoked``, ``subject_revoked``, or ``revocation_state_stale``.
            NoDecision: the state store is out of reach.
        """
        ...

    async def check_start(self, agent: Agent, subject: Subject, *, issued_at: float, now: float) -> None:
        """Check that a person's token may start a task of this workload.

        Raises:
            Refused: ``agent_revoked``, or ``subject_revoked`` for a token issued at or before the revocation.
            NoDecision: the state store is out of reach.
        """
        ...

    def check_unspent(self, *, issued_at: float, now: float) -> None:
        """Check that what may be used a limited number of times was issued after the store last lost what was used.

        ``issued_at`` is 0 for a token that doesn't say it.

        Raises:
            Refused: ``state_rolled_back``.
        """
        ...

    async def check_issued(self, credential_id: str, link_id: str, *, now: float) -> None:
        """Check that a credential that was issued to the holder of ``link_id`` isn't revoked, nor one of its renewals.

        Raises:
            Refused: ``credential_revoked``, or ``revocation_state_stale``.
            NoDecision: the state store is out of reach.
        """
        ...

    async def check_credential(self, found: Introspection, *, now: float) -> None:
        """Check that a credential whose signature holds wasn't revoked, nor its task, its person or its chain.

        Raises:
            Refused: ``credential_revoked``, ``agent_revoked``, ``subject_revoked``, ``task_ended`` or
                ``revocation_state_stale``.
            NoDecision: the state store is out of reach.
        """
        ...


class DecisionLog(Protocol):
    """Records decisions."""

    def hold(self, decision_id: str, size: int) -> None:
        """Keep room for the records of a decision, before anything is taken for it.

        The room is given back with the decision's outcome, or when a record of it fails. ``size`` is in bytes.

        Raises:
            NoDecision: there is no room, or the last record couldn't be written and none can be since, and the
                configuration requires it.
        """
        ...

    async def record(self, record: DecisionRecord) -> None:
        """Write one record.

        Raises:
            NoDecision: the sink is broken and the configuration requires it.
        """
        ...

    async def unverified(self, refusal: Unverified) -> None:
        """Note a refused request without a verified grant, within a bound.

        Raises:
            NoDecision: the sink is broken and the configuration requires it.
        """
        ...
