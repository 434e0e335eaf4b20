"""Puts the parts of approvals together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tabard_sidecar.approvals.deciding import ApprovalDecider
from tabard_sidecar.approvals.prompt import KEYS_INFO
from tabard_sidecar.approvals.requesting import ApprovalRequester
from tabard_sidecar.approvals.status import ApprovalStatusService
from tabard_sidecar.keys.sealing import DerivedSealingKeys

if TYPE_CHECKING:
    from tabard_sidecar.approvals.conf import ApprovalsConfig
    from tabard_sidecar.approvals.webhook import Webhook
    from tabard_sidecar.grants import GrantService
    from tabard_sidecar.identity.subject import SubjectTokens
    from tabard_sidecar.interfaces import AgentIdentitySource, Clock, Revocations
    from tabard_sidecar.keys import Keyring
    from tabard_sidecar.model import Ask, ToolCall
    from tabard_sidecar.state import Approval, StateStore


@dataclass(frozen=True, slots=True)
class ApprovalParts:
    """Everything about approvals, with one lifetime.

    ``approvals`` is for the pipeline, ``desk`` for agents, ``office`` for operators.
    """

    approvals: ApprovalRequester
    desk: ApprovalStatusService
    office: ApprovalDecider
    webhook: Webhook | None

    async def start(self) -> None:
        """Begin to post events, if a webhook is configured."""
        if self.webhook is not None:
            await self.webhook.start()

    async def close(self) -> None:
        """Stop posting events."""
        if self.webhook is not None:
            await self.webhook.close()


def build_approvals(  # noqa: PLR0913 - one argument per part that approvals need
    config: ApprovalsConfig,
    *,
    state: StateStore,
    keyring: Keyring,
    grants: GrantService,
    subjects: SubjectTokens,
    agent: AgentIdentitySource,
    revocations: Revocations,
    clock: Clock,
    allow_http: bool = False,
) -> ApprovalParts:
    """Build what ``config`` describes.

    Args:
        config: the section ``approvals``.
        state: where approvals wait.
        keyring: the zone's keys.
        grants: verifies grants.
        subjects: verifies people's tokens; its issuers are those of approvers, too.
        agent: this sidecar's workload.
        revocations: knows which people were revoked.
        clock: seconds since the epoch.
        allow_http: let the webhook be on plain http elsewhere than on loopback.

    Raises:
        ValueError: an issuer's tokens for agents have the approvers' audience, or the webhook can't be used.
    """
    tokens = subjects.for_audience(config.audience, max_auth_age_seconds=config.max_auth_age_seconds)
    keys = DerivedSealingKeys(keyring, KEYS_INFO)
    webhook: Webhook | None = None
    if config.webhook.url:
        # Only now, so that a sidecar without a webhook never loads the HTTP client.
        from tabard_sidecar.approvals.webhook import Webhook  # noqa: PLC0415

        webhook = Webhook(config.webhook, clock, allow_http=allow_http)

    def announce(approval: Approval, ask: Ask, call: ToolCall) -> None:
        if webhook is not None:
            webhook.announce(event(approval, ask, call))

    return ApprovalParts(
        approvals=ApprovalRequester(config, state, grants, keys, revocations, announce),
        desk=ApprovalStatusService(state, grants, agent, clock),
        office=ApprovalDecider(config, state, keys, tokens, revocations, clock),
        webhook=webhook,
    )


def event(approval: Approval, ask: Ask, call: ToolCall) -> dict[str, Any]:
    """Return what a webhook is told: enough to find somebody, and nothing that is of use to a thief.

    ``tool`` and ``server`` are the agent's words. Arguments stay with the sidecar.
    """
    return {
        "type": "approval.requested",
        "approval_id": approval.approval_id,
        "task_id": approval.task_id,
        "module": approval.module,
        "code": approval.code,
        "reason": ask.reason,
        "approvers": list(ask.approvers),
        "asserted": {"tool": call.name, "server": call.server},
        "created_at": round(approval.created_at, 3),
        "expires_at": round(approval.expires_at, 3),
    }
