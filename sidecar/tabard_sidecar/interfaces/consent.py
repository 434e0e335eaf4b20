"""Interfaces of approvals and revocations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

from tabard_sidecar.model import (
    Agent,
    Ask,
    Introspection,
    MetApproval,
    PendingApproval,
    Subject,
    ToolCall,
    VerifiedGrant,
)


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
