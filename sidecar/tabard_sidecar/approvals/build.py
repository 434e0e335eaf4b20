"""Builds the approval components of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.approvals.deciding import ApprovalDecider
from tabard_sidecar.approvals.events import event
from tabard_sidecar.approvals.prompt import KEYS_INFO
from tabard_sidecar.approvals.requesting import ApprovalRequester
from tabard_sidecar.approvals.status import ApprovalStatusService, Standings
from tabard_sidecar.keys.sealing import DerivedSealingKeys
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tabard_sidecar.approvals.conf import ApprovalsConfig
    from tabard_sidecar.approvals.grouping import Asked
    from tabard_sidecar.approvals.webhook import Webhook
    from tabard_sidecar.grants import GrantService
    from tabard_sidecar.identity.subject import SubjectTokens
    from tabard_sidecar.interfaces import AgentIdentitySource, Clock, Revocations
    from tabard_sidecar.keys import ZoneKeys
    from tabard_sidecar.state import StateStore


@dataclass(frozen=True, slots=True)
class ApprovalParts:
    """The approval components, with one lifetime.

    Attributes:
        requester: requests and checks approvals for the pipeline.
        status_service: tells agents the status of their approvals.
        decider: takes approvers' decisions.
        webhook: posts events about new approvals, if one is configured.
    """

    requester: ApprovalRequester
    status_service: ApprovalStatusService
    decider: ApprovalDecider
    webhook: Webhook | None

    async def start(self) -> None:
        """Start posting events, if a webhook is configured."""
        if self.webhook is not None:
            await self.webhook.start()

    async def close(self) -> None:
        """Stop posting events."""
        if self.webhook is not None:
            await self.webhook.close()


def build_approvals(  # noqa: PLR0913 - one argument per dependency
    config: ApprovalsConfig,
    *,
    state: StateStore,
    keyring: ZoneKeys,
    grants: GrantService,
    subjects: SubjectTokens,
    agent: AgentIdentitySource,
    revocations: Revocations,
    standings: Standings,
    clock: Clock,
    allow_http: bool = False,
) -> ApprovalParts:
    """Build the components that ``config`` describes.

    Args:
        config: the section ``approvals``.
        state: stores approvals.
        keyring: the zone's keys.
        grants: verifies grants.
        subjects: verifies people's tokens; approvers' tokens come from the same issuers.
        agent: this sidecar's workload.
        revocations: checks whether people are revoked.
        standings: checks whether holders may still act.
        clock: seconds since the epoch.
        allow_http: allow the webhook plain http to other hosts than loopback.

    Raises:
        ValueError: an issuer's tokens for agents have the approvers' audience, or the webhook can't be used.
    """
    tokens = subjects.for_audience(config.audience, max_auth_age_seconds=config.max_auth_age_seconds)
    keys = DerivedSealingKeys(keyring, KEYS_INFO)
    webhook: Webhook | None = None
    if config.webhook.url:
        # Imported here, so that a sidecar without a webhook doesn't load the HTTP client.
        from tabard_sidecar.approvals.webhook import Webhook  # noqa: PLC0415

        webhook = Webhook(config.webhook, clock, allow_http=allow_http)

    def announce(asked: Sequence[Asked]) -> None:
        if webhook is not None:
            webhook.announce(event(asked))

    return ApprovalParts(
        requester=ApprovalRequester(config, state, grants, keys, revocations, announce),
        status_service=ApprovalStatusService(state, grants, agent, standings, clock),
        decider=ApprovalDecider(config, state, keys, tokens, revocations, clock),
        webhook=webhook,
    )
