"""The stages' interfaces. The pipeline knows these and none of the implementations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from tabard_sidecar.model import (
    Agent,
    CredentialRequest,
    Decision,
    Intent,
    Introspection,
    IssuedCredential,
    Operation,
    PolicyDecision,
    Subject,
)


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
            Unanswerable: the issuer's keys can't be had at all.
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
            Unanswerable: there is no identity that is still valid.
        """
        ...


@dataclass(frozen=True, slots=True)
class FilterQuestion:
    """One tool of a FilterTools request, with its annotations from the catalogue."""

    name: str
    server: str
    annotations: Mapping[str, Any] = field(default_factory=dict)


class PolicyRuntime(Protocol):
    """Asks policy and composes what it answers. Never raises for what a policy did: that is a denial."""

    @property
    def revision(self) -> str:
        """Revision of the policy that is active."""
        ...

    async def decide(self, operation: Operation, input_json: bytes, *, key: str = "") -> PolicyDecision:
        """Evaluate ``data.tabard.decision`` and compose its elements.

        ``key`` is what repeated time-outs are counted by, for example the tool's name.

        Raises:
            Unanswerable: no policy is loaded, or the engine can't be reached.
        """
        ...

    async def filter_tools(
        self, input_base: Mapping[str, Any], tools: Sequence[FilterQuestion]
    ) -> list[bool]:
        """Tell per tool whether some arguments could be allowed.

        ``input_base`` is the policy input without ``tool``.
        """
        ...

    async def mask(self, record_json: bytes) -> list[Any]:
        """Evaluate ``data.system.log.mask`` on a decision record; an empty list if no policy defines it."""
        ...


class Observer(Protocol):
    """Hears of what the pipelines do: metrics and traces."""

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Observe one stage of a question while the context lasts."""
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

    async def issue(self, request: CredentialRequest) -> IssuedCredential:
        """Issue a credential.

        Raises:
            Unanswerable: the issuer's backend or key can't be reached.
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


class DecisionLog(Protocol):
    """Where decisions are recorded."""

    async def record(self, record: DecisionRecord) -> None:
        """Write one record.

        Raises:
            Unanswerable: the sink is broken and the configuration requires it.
        """
        ...
