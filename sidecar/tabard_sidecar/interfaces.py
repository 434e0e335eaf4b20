"""The stages' interfaces. The pipeline knows these and none of the implementations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tabard_sidecar.model import (
    Agent,
    CredentialRequest,
    Intent,
    Introspection,
    IssuedCredential,
    Operation,
    PolicyDecision,
    Subject,
    VerifiedGrant,
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


class GrantMinter(Protocol):
    """Makes grants."""

    def verify(self, grant: str, discharges: Sequence[str] = ()) -> VerifiedGrant:
        """Check signatures, seals and zone; judge no caveat.

        Raises:
            Refused: the grant is malformed, foreign, forged or unsealed.
        """
        ...


@dataclass(frozen=True, slots=True)
class FilterQuestion:
    """One tool of a FilterTools request."""

    name: str
    server: str


class PolicyRuntime(Protocol):
    """Asks policy and composes what it answers. Never raises for what a policy did: that is a denial."""

    @property
    def revision(self) -> str:
        """Revision of the policy that is active."""
        ...

    async def decide(self, operation: Operation, input_json: bytes) -> PolicyDecision:
        """Evaluate ``data.tabard.decision`` and compose its elements.

        Raises:
            Unanswerable: no policy is loaded, or the engine can't be reached.
        """
        ...

    async def filter_tools(
        self, input_base: Mapping[str, Any], tools: Sequence[FilterQuestion]
    ) -> list[bool]:
        """Tell per tool whether some arguments could be allowed.

        ``input_base`` is the policy input without ``tool``; its ``operation`` is ``"filter_tools"``... as policy sees it,
        ``"authorize"`` rules apply, since that is what the tools would be asked about.
        """
        ...

    async def mask(self, record_json: bytes) -> list[Any]:
        """Evaluate ``data.system.log.mask`` on a decision record; an empty list if no policy defines it."""
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
