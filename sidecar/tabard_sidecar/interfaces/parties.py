"""Interfaces of what verifies and identifies the people and agents whose requests are decided."""

from __future__ import annotations

from typing import Protocol

from tabard_sidecar.model import (
    Agent,
    Handover,
    Intent,
    Subject,
)


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
