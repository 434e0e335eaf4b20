"""Checks that a verified person may decide an approval: by role, not revoked, and not with an agent's token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tabard_sidecar.errors import Refused
from tabard_sidecar.model import Agent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tabard_sidecar.approvals.conf import ApprovalsConfig, RoleConfig
    from tabard_sidecar.approvals.prompt import Prompt
    from tabard_sidecar.interfaces import Revocations
    from tabard_sidecar.model import Subject

# Claims in which issuers name the client that a token was issued to: RFC 9068, OpenID Connect, Okta, Microsoft Entra.
_CLIENT_CLAIMS = ("client_id", "azp", "cid", "appid")


def check_person(config: ApprovalsConfig, person: Subject, claims: Mapping[str, Any], prompt: Prompt) -> None:
    """Check that a token is a person's own and not one that an agent holds for a person.

    Raises:
        Refused: ``approver_is_agent``, it names an actor, may be used by one, or was issued to a workload of the chain;
            ``approver_client``, it was issued to another client than those configured.
    """
    for name in ("act", "may_act"):
        if name in claims:
            raise Refused(
                "approver_is_agent", f"the approver's token carries {name}, so an agent may act with it"
            )
    clients = clients_of(claims)
    if (clients | {person.id}) & prompt.workloads:
        raise Refused("approver_is_agent", "the approver's token belongs to a workload that holds the grant")
    if config.clients and not (clients and clients <= set(config.clients)):
        raise Refused(
            "approver_client", "the approver's token was issued to a client that isn't in approvals.clients"
        )


def check_right(
    config: ApprovalsConfig, person: Subject, claims: Mapping[str, Any], prompt: Prompt, *, approve: bool
) -> None:
    """Check that a person has one of the roles that the ask names.

    A person can't approve calls of their own task, unless one of these roles has ``subject`` set, but may always deny
    them.

    Raises:
        Refused: ``approver_is_subject`` or ``approver_not_entitled``.
    """
    roles = [config.roles[name] for name in prompt.approvers if name in config.roles]
    if (person.issuer, person.id) == (prompt.subject_issuer, prompt.subject_id):
        if not approve or any(role.subject for role in roles):
            return
        raise Refused(
            "approver_is_subject",
            "the call belongs to the approver's own task; another person has to decide",
        )
    if not any(_has(role, person, claims) for role in roles):
        names = ", ".join(ascii(name) for name in prompt.approvers[:8])
        raise Refused("approver_not_entitled", f"the approver has none of the roles {names}")


def clients_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the OAuth clients that a token was issued to, as far as its claims tell."""
    return frozenset(claims[name] for name in _CLIENT_CLAIMS if isinstance(claims.get(name), str))


async def check_approver(
    revocations: Revocations, agent_id: str, person: Subject, *, since: float, now: float
) -> None:
    """Check that neither an approver nor the requesting agent is revoked.

    Args:
        revocations: checks whether people and workloads are revoked.
        agent_id: the workload that requested the approval, a SPIFFE ID.
        person: the approver.
        since: when their token was issued, or when they decided, in seconds since the epoch.
        now: seconds since the epoch.

    Raises:
        Refused: ``approver_revoked``, ``agent_revoked`` or ``revocation_state_stale``.
        NoDecision: the state store is out of reach.
    """
    try:
        await revocations.check_start(Agent(agent_id, ""), person, issued_at=since, now=now)
    except Refused as refusal:
        if refusal.code != "subject_revoked":
            raise
        raise Refused("approver_revoked", "the approver was revoked after that") from None


def _has(role: RoleConfig, person: Subject, claims: Mapping[str, Any]) -> bool:
    if role.claim:
        if role.issuer and role.issuer != person.issuer:
            return False
        found = claims.get(role.claim)
        return role.value in found if isinstance(found, list) else found == role.value
    return any((listed.issuer, listed.id) == (person.issuer, person.id) for listed in role.ids)
