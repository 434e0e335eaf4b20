"""Verifies who decides, and that they may decide about the calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tabard_sidecar.approvals.roles import check_approver, check_person, check_right
from tabard_sidecar.errors import Refused
from tabard_sidecar.state import Approver

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tabard_sidecar.approvals.conf import ApprovalsConfig
    from tabard_sidecar.approvals.prompt import Prompt
    from tabard_sidecar.interfaces import Clock, Revocations
    from tabard_sidecar.model import Subject


class ApproverTokens(Protocol):
    """Verifies approvers' tokens: own audience, fresh authentication."""

    async def verify_claims(self, token: str) -> tuple[Subject, Mapping[str, Any]]:
        """Return the token's subject and all its claims."""
        ...


class Approvers:
    """Verifies approvers.

    Args:
        config: the section ``approvals``.
        tokens: verifies approvers' tokens.
        revocations: checks whether people are revoked.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        config: ApprovalsConfig,
        tokens: ApproverTokens,
        revocations: Revocations,
        clock: Clock,
    ) -> None:
        self._config = config
        self._tokens = tokens
        self._revocations = revocations
        self._clock = clock

    async def verify(self, token: str, calls: Iterable[tuple[Prompt, bool]]) -> Subject:
        """Return the person whose token it is, who may decide about every one of these calls.

        Args:
            token: the approver's token.
            calls: what the person would decide about, each with whether they approve it.

        Raises:
            Refused: the token isn't acceptable or is an agent's, the person isn't entitled to one of the decisions, or was
                revoked.
            NoDecision: the state store or the issuer's keys are unavailable.
        """
        if not token:
            raise Refused("approver_token_missing", "no approver's token was sent")
        person, claims = await self._tokens.verify_claims(token)
        if " " in person.issuer:
            raise Refused("approver_not_entitled", "the name of the approver's issuer has a space in it")
        agents = set()
        for prompt, approve in calls:
            check_person(self._config, person, claims, prompt)
            check_right(self._config, person, claims, prompt, approve=approve)
            agents.add(prompt.agent_id)
        for agent_id in sorted(agents):
            await check_approver(
                self._revocations, agent_id, person, since=person.issued_at, now=self._clock()
            )
        return person

    def sign(self, person: Subject) -> tuple[Approver, float]:
        """Return a verified person as who decides, and when they decide. The store uses up the token with the decision.

        Raises:
            NoDecision: the state store can't know whether the token was used.
        """
        now = self._clock()
        self._revocations.check_unspent(issued_at=person.issued_at, now=now)
        token = f"approver-token:{person.token_id}"
        return Approver(approver_name(person), token, person.expires_at), now


def approver_name(person: Subject) -> str:
    """Return how an approval names who decided."""
    return f"{person.issuer} {person.id}"
