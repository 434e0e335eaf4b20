"""Judging what a grant's caveats say to a question. Every caveat is judged alone, and all have to pass.

The grants that :class:`~tabard_sidecar.grants.service.GrantService` returns carry a plan, which makes this cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard.caveats import (
    CallFacts,
    CaveatError,
    CredentialFacts,
    Question,
    Scopes,
)
from tabard.caveats.types import holder as check_holder

from tabard_sidecar.errors import Refused
from tabard_sidecar.grants.plan import judge_numbered, place, planned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tabard_sidecar.grants.plan import PlannedGrant
    from tabard_sidecar.model import CredentialTemplate, ToolCall, VerifiedGrant

CLOCK_SKEW_SECONDS = 30.0
"""How far the clocks of a zone's machines may differ before a grant seems to come from the future."""


def check_call(grant: VerifiedGrant, call: ToolCall, *, now: float, read_only: bool) -> None:
    """Judge a tool call.

    Args:
        grant: the grant under which it is made.
        call: the call, with its digest.
        now: seconds since the epoch.
        read_only: whether the catalogue marks the tool as read-only.

    Raises:
        Refused: a caveat objects; code and message say which and why.
    """
    facts = CallFacts(call.name, call.arguments, call.digest, read_only)
    _judge_call(planned(grant), facts, now)


def tool_possible(grant: VerifiedGrant, tool: str, *, now: float, read_only: bool) -> bool:
    """Tell whether the caveats leave any call of ``tool`` possible, its arguments still unknown."""
    try:
        _judge_call(planned(grant), CallFacts(tool, None, None, read_only), now)
    except Refused:
        return False
    return True


def check_expiry(grant: VerifiedGrant, *, now: float) -> None:
    """Judge what doesn't depend on any call: time, purposes, depth and caveats that can't be enforced.

    Raises:
        Refused: a caveat objects; code and message say which and why.
    """
    _judge_standing(planned(grant), now)


def check_delegation(grant: VerifiedGrant, holder: str, *, now: float) -> None:
    """Judge whether the grant may be handed to another workload; max_children is counted by the state store.

    Args:
        grant: the grant that is handed on.
        holder: the workload that is to hold it.
        now: seconds since the epoch.

    Raises:
        Refused: a caveat objects, or ``holder`` can't hold the grant.
    """
    plan = planned(grant)
    _judge_standing(plan, now)
    question = Question(now=now, purpose=plan.task.purpose, depth=len(plan.links) + 1)
    judge_numbered(plan, plan.standing, question)
    check_delegatee(plan, holder)


def check_delegatee(grant: VerifiedGrant, holder: str) -> None:
    """Check that ``holder`` is a workload that the grant may be handed to.

    Handing back to an earlier holder is allowed: authority has only shrunk on the way. Handing to oneself isn't: the
    fresh hop would hide which sub-agent acts.

    Raises:
        Refused: it is no SPIFFE ID, or holds the grant already.
    """
    try:
        check_holder(holder)
    except CaveatError as error:
        raise Refused("delegatee_invalid", str(error)) from None
    if holder == grant.holder:
        raise Refused("delegatee_invalid", f"{holder} holds the grant already; a sub-agent gets a branch")


def children_to_register(grant: VerifiedGrant) -> tuple[tuple[str, str, int | None], ...]:
    """Return per link ``(parent_id, child_id, limit)``: ``limit`` is the most children that the parent may have.

    Each max_children caveat binds every link that comes after it; ``None`` means that none stands before.
    """
    return planned(grant).children


def clamp_credential(
    grant: VerifiedGrant, template: CredentialTemplate, requested_scopes: Sequence[str], now: float
) -> tuple[str, tuple[str, ...], float]:
    """Narrow what policy wants a credential to be to what the grant allows.

    Args:
        grant: the grant under which it is issued.
        template: audience, scopes and lifetime that policy offers.
        requested_scopes: the scopes that the caller wants; none means all that are offered.
        now: seconds since the epoch.

    Returns:
        Audience, sorted scopes, and the end of its life in seconds since the epoch, never after the grant's.

    Raises:
        Refused: the audience isn't granted, a requested scope isn't, or nothing of what policy offers is left.
    """
    plan = planned(grant)
    scopes = _granted_scopes(plan, template.scopes, requested_scopes)
    question = Question(
        now=now,
        purpose=plan.task.purpose,
        depth=len(plan.links),
        credential=CredentialFacts(template.audience, scopes),
    )
    judge_numbered(plan, plan.per_credential, question)
    expires_at = plan.expires_at
    if template.ttl_seconds is not None:
        expires_at = min(expires_at, now + template.ttl_seconds)
    return template.audience, scopes, expires_at


def _granted_scopes(plan: PlannedGrant, offered: Sequence[str], requested: Sequence[str]) -> tuple[str, ...]:
    unoffered = sorted(set(requested) - set(offered))
    if unoffered:
        raise Refused("scope_not_granted", f"policy offers no scope {unoffered[0][:128]!a}")
    if requested:
        return tuple(sorted(set(requested)))  # what was asked for is judged as it is, not silently narrowed
    scopes = set(offered)
    for number, caveat in plan.per_credential:
        if isinstance(caveat, Scopes) and scopes:
            scopes.intersection_update(caveat.scopes)
            if not scopes:
                message = f"{place(plan, number)}: none of the scopes that policy offers is granted"
                raise Refused("scope_not_granted", message)
    return tuple(sorted(scopes))


def _judge_call(plan: PlannedGrant, facts: CallFacts, now: float) -> None:
    _judge_standing(plan, now)
    question = Question(now=now, purpose=plan.task.purpose, depth=len(plan.links), call=facts)
    judge_numbered(plan, plan.per_call, question)


def _judge_standing(plan: PlannedGrant, now: float) -> None:
    if plan.task.started_at > now + CLOCK_SKEW_SECONDS:
        raise Refused(
            "grant_not_yet_valid", f"issued at {plan.task.started_at:.3f}, now is {now:.3f}: check the clocks"
        )
    if not now < plan.expires_at:
        # The earliest expiry caveat, unless the root's own end comes first.
        judge_numbered(plan, plan.expiries[:1], Question(now=now, purpose=plan.task.purpose, depth=0))
        raise Refused("grant_expired", f"the root grant expired at {plan.expires_at:.3f}, now is {now:.3f}")
    if plan.refusal is not None:
        raise Refused(*plan.refusal)
