"""The stages' interfaces. The pipeline knows these and none of the implementations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from tabard_sidecar.model import (
    Agent,
    Ask,
    CredentialRequest,
    Decision,
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
            NoDecision: the issuer's keys can't be had at all.
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
    """Knows which workload this sidecar is."""

    def current(self) -> Agent:
        """Return the identity as verified last.

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


class LeasedPolicy(Protocol):
    """One policy, the same for as long as it is leased. Never raises for what a policy did: that is a denial."""

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

    async def decide(
        self,
        operation: Operation,
        input_json: bytes,
        *,
        key: str = "",
        approvals: frozenset[tuple[str, str]] = frozenset(),
    ) -> PolicyDecision:
        """Evaluate ``data.tabard.decision`` and compose its elements.

        ``key`` is what repeated time-outs are counted by, for example the tool's name; ``approvals`` are module and code
        of the approvals that people have given for this very call.

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
    """Receives what the pipelines do, for metrics and traces."""

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Observe one stage of a request while the context lasts."""
        ...

    def decided(self, operation: Operation, decision: Decision, seconds: float) -> None:
        """Count a decision and how long it took."""
        ...


class ToolSpec(Protocol):
    """What the catalogue knows about one tool."""

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

    def validate(self, arguments: Mapping[str, Any]) -> str | None:
        """Return what is wrong with the arguments, naming the place, or ``None``."""
        ...


class Catalogue(Protocol):
    """The tools that are known."""

    @property
    def required(self) -> bool:
        """True if a tool that isn't known is denied."""
        ...

    def lookup(self, name: str, server: str) -> ToolSpec | None:
        """Return what is known about a tool."""
        ...

    def __iter__(self) -> Iterator[ToolSpec]:
        """Yield every known tool."""
        ...


class CredentialIssuer(Protocol):
    """Issues, verifies and describes credentials of one kind."""

    @property
    def kind(self) -> str:
        """The kind, as policy names it."""
        ...

    def compute(self, request: CredentialRequest) -> IssuedCredential | None:
        """Return the credential if computing it is all that issuing takes, else ``None``: then nothing was done.

        The caller may throw it away. Raises what :meth:`issue` would raise.
        """
        ...

    async def issue(self, request: CredentialRequest) -> IssuedCredential:
        """Issue a credential.

        Raises:
            NoDecision: the issuer's backend or key can't be reached.
        """
        ...

    def inspect(self, value: str) -> Introspection:
        """Verify a credential of this kind and say what it holds.

        Raises:
            Refused: it isn't one, is forged, or has expired.
        """
        ...


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One line of the decision log.

    ``event`` is ``"intent"`` (before anything is issued) or ``"outcome"``. ``input_json`` is the policy input as it
    was evaluated. ``result`` never holds a credential's value. ``metrics`` are nanoseconds by name, as OPA reports.
    """

    event: str
    decision_id: str
    operation: Operation
    timestamp: float
    input_json: bytes
    result: Mapping[str, Any]
    policy_revision: str
    request_id: str = ""
    metrics: Mapping[str, int] | None = None


class Approvals(Protocol):
    """Asks people about calls and recognises what they approved."""

    async def ask(  # noqa: PLR0913 - what a person is shown has that many sides
        self,
        serialised: str,
        grant: VerifiedGrant,
        agent: Agent,
        call: ToolCall,
        asks: Sequence[Ask],
        *,
        now: float,
    ) -> tuple[PendingApproval, ...]:
        """Store that a call waits for people, one approval per ask.

        ``serialised`` is the grant as it was presented. Asking the same again returns what waits already.

        Raises:
            Refused: ``approvals_exceeded``, too much of the task waits already; ``approver_unknown``, no configured role
                could approve.
            NoDecision: the state store is out of reach.
        """
        ...

    async def met(self, grant: VerifiedGrant, call: ToolCall, *, now: float) -> tuple[MetApproval, ...]:
        """Return what people approved of this very call: one per third-party caveat of the grant.

        The discharges were verified with the grant; this looks up who approved what.

        Raises:
            Refused: ``approval_invalid``, an approval doesn't exist any more, isn't approved or speaks of
                another call.
            NoDecision: the state store is out of reach.
        """
        ...


class Revocations(Protocol):
    """Knows what operators revoked."""

    @property
    def newest(self) -> int:
        """Sequence number of the newest revocation that is known."""
        ...

    async def check(self, agent: Agent, grant: VerifiedGrant, *, newest: int, now: float) -> None:
        """Check that no workload or person of a chain was revoked. The state store itself checks links.

        ``newest`` is the sequence number of the zone's newest revocation; what isn't known yet is fetched first.

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

    async def check_credential(self, found: Introspection, *, now: float) -> None:
        """Check that a credential whose signature holds wasn't revoked, nor its task, its person or its chain.

        Raises:
            Refused: ``credential_revoked``, ``agent_revoked``, ``subject_revoked``, ``task_ended`` or
                ``revocation_state_stale``.
            NoDecision: the state store is out of reach.
        """
        ...


class DecisionLog(Protocol):
    """Where decisions are recorded."""

    async def record(self, record: DecisionRecord) -> None:
        """Write one record.

        Raises:
            NoDecision: the sink is broken and the configuration requires it.
        """
        ...
