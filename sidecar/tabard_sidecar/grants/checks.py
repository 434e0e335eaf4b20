"""Checks a request against the caveats of a verified grant. Every caveat is checked alone, and all have to pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard.caveats import CallFacts, CaveatError, CredentialFacts, Facts, Scopes
from tabard.caveats.types.hop import holder as check_holder

from tabard_sidecar.errors import Refused
from tabard_sidecar.grants.index import check_each, place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tabard_sidecar.grants.index import IndexedGrant
    from tabard_sidecar.model import CredentialTemplate, ToolCall, VerifiedGrant

CLOCK_SKEW_SECONDS = 30.0
"""Largest accepted difference between the clocks of a zone's machines, in seconds."""


def check_call(grant: IndexedGrant, call: ToolCall, *, now: float, read_only: bool) -> None:
    """Check a tool call.

    Args:
        grant: the grant under which it is made.
        call: the call, with its digest.
        now: seconds since the epoch.
        read_only: whether the catalogue marks the tool as read-only.

    Raises:
        Refused: a caveat isn't met; code and message say which and why.
    """
    _check_call(grant, CallFacts(call.name, call.arguments, call.digest, read_only), now)


def tool_possible(grant: IndexedGrant, tool: str, *, now: float, read_only: bool) -> bool:
    """Tell whether the caveats leave any call of ``tool`` possible, its arguments still unknown."""
    try:
        _check_call(grant, CallFacts(tool, None, None, read_only), now)
    except Refused:
        return False
    return True


def check_expiry(grant: IndexedGrant, *, now: float) -> None:
    """Check what depends on no call: time, purposes, depth and caveats that can't be enforced.

    Raises:
        Refused: a caveat isn't met; code and message say which and why.
    """
    _check_grant(grant, now)


def check_delegation(grant: IndexedGrant, holder: str, *, now: float) -> None:
    """Check whether the grant may be handed to another workload; max_children is counted by the state store.

    Args:
        grant: the grant that is handed on.
        holder: the workload that is to hold it.
        now: seconds since the epoch.

    Raises:
        Refused: a caveat isn't met, or ``holder`` can't hold the grant.
    """
    _check_grant(grant, now)
    facts = Facts(now=now, purpose=grant.counted_purpose, depth=len(grant.links) + 1)
    check_each(grant, (*grant.per_grant, *grant.per_time), facts)
    check_delegatee(grant, holder)


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


def clamp_credential(
    grant: IndexedGrant, template: CredentialTemplate, requested_scopes: Sequence[str], now: float
) -> tuple[str, tuple[str, ...], float]:
    """Narrow the credential that policy offers to what the grant allows.

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
    scopes = _granted_scopes(grant, template.scopes, requested_scopes)
    facts = Facts(
        now=now,
        purpose=grant.counted_purpose,
        depth=len(grant.links),
        credential=CredentialFacts(template.audience, scopes),
    )
    check_each(grant, grant.per_credential, facts)
    expires_at = grant.expires_at
    if template.ttl_seconds is not None:
        expires_at = min(expires_at, now + template.ttl_seconds)
    return template.audience, scopes, expires_at


def _granted_scopes(grant: IndexedGrant, offered: Sequence[str], requested: Sequence[str]) -> tuple[str, ...]:
    unoffered = sorted(set(requested) - set(offered))
    if unoffered:
        raise Refused("scope_not_granted", f"policy offers no scope {unoffered[0][:128]!a}")
    if requested:
        return tuple(sorted(set(requested)))  # a requested scope is checked as it is, not silently narrowed
    scopes = set(offered)
    for number, caveat in grant.per_credential:
        if isinstance(caveat, Scopes) and scopes:
            scopes.intersection_update(caveat.scopes)
            if not scopes:
                message = f"{place(grant, number)}: none of the scopes that policy offers is granted"
                raise Refused("scope_not_granted", message)
    return tuple(sorted(scopes))


def _check_call(grant: IndexedGrant, call: CallFacts, now: float) -> None:
    _check_grant(grant, now)
    facts = Facts(now=now, purpose=grant.counted_purpose, depth=len(grant.links), call=call)
    check_each(grant, grant.per_call, facts)


def _check_grant(grant: IndexedGrant, now: float) -> None:
    if grant.task.started_at > now + CLOCK_SKEW_SECONDS:
        raise Refused(
            "grant_not_yet_valid",
            f"issued at {grant.task.started_at:.3f}, now is {now:.3f}: check the clocks",
        )
    if not now < grant.expires_at:
        # The earliest expiry caveat, unless the root's own end comes first.
        check_each(grant, grant.expiries[:1], Facts(now=now, purpose=grant.counted_purpose, depth=0))
        raise Refused("grant_expired", f"the root grant expired at {grant.expires_at:.3f}, now is {now:.3f}")
    if grant.refusal is not None:
        raise Refused(*grant.refusal)
    if grant.per_time:
        check_each(
            grant, grant.per_time, Facts(now=now, purpose=grant.counted_purpose, depth=len(grant.links))
        )
