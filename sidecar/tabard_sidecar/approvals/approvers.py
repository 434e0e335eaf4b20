"""Verifies who decides, and that they may decide about the calls; spends their token for one decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tabard_sidecar.approvals.roles import check_approver, check_person, check_right
from tabard_sidecar.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tabard_sidecar.approvals.conf import ApprovalsConfig
    from tabard_sidecar.approvals.prompt import Prompt
    from tabard_sidecar.interfaces import Clock, Revocations
    from tabard_sidecar.model import Subject
    from tabard_sidecar.state import StateStore


class ApproverTokens(Protocol):
    """Verifies approvers' tokens: own audience, fresh authentication."""

    async def verify_claims(self, token: str) -> tuple[Subject, Mapping[str, Any]]:
        """Return the token's subject and all its claims."""
        ...


class Approvers:
    """Verifies approvers.

    Args:
        config: the section ``approvals``.
        state: counts the uses of tokens.
        tokens: verifies approvers' tokens.
        revocations: checks whether people are revoked.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        config: ApprovalsConfig,
        state: StateStore,
        tokens: ApproverTokens,
        revocations: Revocations,
        clock: Clock,
    ) -> None:
        self._config = config
        self._state = state
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

    async def spend(self, person: Subject) -> float:
        """Use up the token of a verified person; return when they decide. The last check before the decision.

        Raises:
            Refused: the token has decided before.
            NoDecision: the state store is unavailable, or can't know whether the token was used.
        """
        now = self._clock()
        self._revocations.check_unspent(issued_at=person.issued_at, now=now)
        # The last check, so that another failing check doesn't use up the approver's token.
        name = f"approver-token:{person.token_id}"
        if not await self._state.consume(name, limit=1, now=now, expires_at=person.expires_at):
            raise Refused("approver_token_used", "the approver's token has already decided a call")
        return now
