"""Checks agents, grants, subjects and credentials against the zone's revocations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from tabard_sidecar.errors import Refused
from tabard_sidecar.model import Agent, Introspection, Subject, VerifiedGrant
from tabard_sidecar.revocation.feed import RevocationFeed
from tabard_sidecar.state.model import Revocation

_UNDATED_SECONDS = 86_400.0


class LinkSource(Protocol):
    """The part of the state store that stores links."""

    async def ended_at_or_above(self, link_id: str) -> bool:
        """Tell whether a link, or one that it descends from, has been ended."""
        ...


class RevocationChecks:
    """Implements :class:`tabard_sidecar.interfaces.Revocations`.

    Args:
        feed: follows the zone's revocations.
        links: the state store.
    """

    def __init__(self, feed: RevocationFeed, links: LinkSource) -> None:
        self._feed = feed
        self._links = links

    @property
    def newest(self) -> int:
        """Sequence number of the newest revocation that the feed has read."""
        return self._feed.sequence

    async def check(self, agent: Agent, grant: VerifiedGrant, *, newest: int, now: float) -> None:
        """Check that no workload or person of a chain is revoked; see the interface."""
        feed = self._feed
        if newest != feed.sequence:
            await feed.catch_up(newest)
        feed.check_fresh()
        if (lost := feed.active.state(grant.task.started_at, now)) is not None:
            raise _rolled_back(lost)
        found = feed.active.agent(_holders(agent, grant), now)
        if found is not None:
            raise _agent_revoked(found)
        found = feed.active.subject(grant.subject.issuer, grant.subject.id, grant.task.started_at, now)
        if found is not None:
            raise _subject_revoked(found, "the task started")

    async def check_start(self, agent: Agent, subject: Subject, *, issued_at: float, now: float) -> None:
        """Check that a person's token may start a task; see the interface.

        ``issued_at`` is 0 for a token without that time; such a token is refused while a revocation of the person is kept.
        """
        await self._feed.refresh()
        self._feed.check_fresh()
        found = self._feed.active.agent((agent.id,), now)
        if found is not None:
            raise _agent_revoked(found)
        found = self._feed.active.subject(subject.issuer, subject.id, issued_at, now)
        if found is not None:
            raise _subject_revoked(found, "the token was issued")

    def check_unspent(self, *, issued_at: float, now: float) -> None:
        """Check that a token or intent was issued after the store last lost data; see the interface.

        One that doesn't say when is refused for a day after the loss: a store that lost that it was used would accept it again.
        """
        lost = self._feed.active.state(issued_at, now)
        if lost is not None and (issued_at or now < lost.at + _UNDATED_SECONDS):
            raise Refused(
                "state_rolled_back",
                "the state store lost acknowledged writes after the token or intent was issued, so it may have been used "
                f"(revocation {lost.seq}); a new one works",
            )

    async def check_issued(self, credential_id: str, link_id: str, *, now: float) -> None:
        """Check that a credential isn't revoked; see the interface."""
        await self._feed.refresh()
        self._feed.check_fresh()
        self._check_line(credential_id, link_id, now)

    def _check_line(self, credential_id: str, link_id: str, now: float) -> None:
        revoked = self._feed.active.credential(credential_id, link_id, now)
        if revoked is not None:
            raise Refused(
                "credential_revoked",
                f"credential {credential_id}, or one of its renewals, was revoked (revocation {revoked.seq})",
            )

    async def check_credential(self, found: Introspection, *, now: float) -> None:
        """Check that neither a credential nor its task, person or chain is revoked; see the interface."""
        await self._feed.refresh()
        self._feed.check_fresh()
        claims = found.claims
        link = claims.get("tabard_link")
        if not isinstance(link, str):
            raise Refused("credential_invalid", "the credential doesn't say to which holder it was issued")
        active, started_at = self._feed.active, _started_at(found)
        if (lost := active.state(started_at, now)) is not None:
            raise _rolled_back(lost)
        self._check_line(found.credential_id, link, now)
        revoked = active.agent(_claimed_holders(claims), now)
        if revoked is not None:
            raise _agent_revoked(revoked)
        revoked = active.subject(found.subject_issuer, found.subject_id, started_at, now)
        if revoked is not None:
            raise _subject_revoked(revoked, "the credential's task started")
        if await self._links.ended_at_or_above(link):
            raise Refused("task_ended", f"the holder's part of the task was ended (link {link[:12]})")


def _holders(agent: Agent, grant: VerifiedGrant) -> Iterator[str]:
    yield agent.id
    yield grant.root_holder
    for link in grant.links:
        yield link.holder


def _claimed_holders(claims: Mapping[str, Any]) -> Iterator[str]:
    """Yield every workload that a credential names. The claims are verified, and written by this code base."""
    yield str(claims.get("req_wl", ""))
    for step in claims.get("tabard_chain", ()):
        yield str(step.get("holder", ""))


def _started_at(found: Introspection) -> float:
    """Return when the credential's task started, rounded down to seconds; 0 if the credential doesn't say."""
    context = found.claims.get("tctx")
    started_at = context.get("started_at") if isinstance(context, dict) else None
    return float(started_at) if isinstance(started_at, int | float) else 0.0


def _rolled_back(found: Revocation) -> Refused:
    return Refused(
        "state_rolled_back",
        f"the state store lost acknowledged writes after the task started (revocation {found.seq})",
    )


def _agent_revoked(found: Revocation) -> Refused:
    return Refused("agent_revoked", f"workload {found.target} is revoked (revocation {found.seq})")


def _subject_revoked(found: Revocation, what: str) -> Refused:
    # The message goes to the agent, so it doesn't name the person.
    return Refused("subject_revoked", f"{what} before the person was revoked (revocation {found.seq})")
