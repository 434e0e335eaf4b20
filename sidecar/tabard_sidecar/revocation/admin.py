"""Revokes, lifts and lists revocations for operators."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import Clock
from tabard_sidecar.revocation.feed import RevocationFeed, RevocationSource
from tabard_sidecar.revocation.impact import MAX_TASKS, Impact, TaskSource, measure_impact
from tabard_sidecar.revocation.targets import UNTIL_LIFTED, Retention, subject_target
from tabard_sidecar.revocation.task_views import task_not_found
from tabard_sidecar.state.model import Revocation, RevocationKind, RevocationOrigin
from tabard_sidecar.util.lean import dataclass

MAX_LISTED_BY_HOLDERS = 10_000
"""How many of the zone's newest revocations are searched for those that holders made."""
_log = logging.getLogger(__name__)


class RevocationStore(RevocationSource, TaskSource, Protocol):
    """The part of the state store that the administration of revocations needs."""

    async def lift(self, kind: RevocationKind, target: str) -> bool:
        """Lift a revocation, durably; tell whether there was one."""
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """A stored revocation and its impact."""

    revocation: Revocation
    impact: Impact


class RevocationAdmin:
    """Revokes, lifts and lists.

    A revocation holds on this sidecar when the method returns, and on every other from its next request.

    Args:
        store: the state store.
        feed: this sidecar's feed.
        clock: time in seconds since the epoch.
        retention: how long revocations are kept.
    """

    def __init__(
        self, store: RevocationStore, feed: RevocationFeed, *, clock: Clock, retention: Retention
    ) -> None:
        self._store = store
        self._feed = feed
        self._clock = clock
        self._retention = retention

    async def revoke_task(self, task_id: str, *, reason: str = "") -> Receipt:
        """Revoke a whole task; this can't be lifted.

        Raises:
            NoDecision: ``task_not_found``, or the state store is unavailable.
        """
        tree = await self._store.tree(task_id)
        if tree is None:
            raise task_not_found(task_id)
        return await self._revoke(RevocationKind.LINK, tree.task.root_id, reason, tree.task.expires_at)

    async def revoke_link(self, link_id: str, *, reason: str = "") -> Receipt:
        """Revoke a holder and everything below it, even if the link was never used; this can't be lifted.

        Raises:
            NoDecision: the state store is unavailable.
        """
        return await self._revoke(RevocationKind.LINK, link_id, reason, self._unknown_end())

    async def revoke_agent(
        self, agent_id: str, *, reason: str = "", ttl_seconds: float | None = None
    ) -> Receipt:
        """Revoke a workload for ``ttl_seconds``, or until the revocation is lifted.

        Raises:
            NoDecision: the state store is unavailable.
        """
        until = UNTIL_LIFTED if ttl_seconds is None else self._clock() + ttl_seconds
        return await self._revoke(RevocationKind.AGENT, agent_id, reason, until)

    async def revoke_subject(
        self, issuer: str, subject_id: str, *, reason: str = "", ttl_seconds: float | None = None
    ) -> Receipt:
        """Revoke a person's tasks and tokens as of now.

        Raises:
            NoDecision: the state store is unavailable.
        """
        now = self._clock()
        # A sidecar whose clock is ahead may have started a task after this sidecar's present.
        started = [
            task.started_at
            for task in (await self._store.tasks(now=now, limit=MAX_TASKS)).tasks
            if (task.subject_issuer, task.subject_id) == (issuer, subject_id)
        ]
        until = now + (self._retention.subject_seconds if ttl_seconds is None else ttl_seconds)
        return await self._revoke(
            RevocationKind.SUBJECT, subject_target(issuer, subject_id), reason, until, at=max([now, *started])
        )

    async def has_tasks_of(self, issuer: str) -> bool:
        """Tell whether a task that hasn't expired runs for a person of an issuer.

        Raises:
            NoDecision: the state store is unavailable.
        """
        found = (await self._store.tasks(now=self._clock(), limit=MAX_TASKS)).tasks
        return any(task.subject_issuer == issuer for task in found)

    async def revoke_credential(self, credential_id: str, *, reason: str = "") -> Receipt:
        """Revoke one credential until it has expired.

        Raises:
            NoDecision: the state store is unavailable.
        """
        return await self._revoke(RevocationKind.CREDENTIAL, credential_id, reason, self._unknown_end())

    async def lift(self, kind: RevocationKind, target: str) -> bool:
        """Lift a revocation; return False if there was none. The revocation of a link can't be lifted.

        Raises:
            NoDecision: the state store is unavailable.
        """
        lifted = await self._store.lift(kind, target)
        await self._feed.refresh()
        if lifted:
            _log.warning("revocation lifted", extra={"kind": str(kind), "target": target})
        return lifted

    async def listed(
        self,
        *,
        kinds: Collection[RevocationKind] = (),
        after: int = 0,
        limit: int = 100,
        by_holders: bool = False,
    ) -> Sequence[Revocation]:
        """Return the active revocations, newest first.

        ``by_holders`` adds those that holders made (links they ended, and their own credentials) if they are among the
        zone's newest :data:`MAX_LISTED_BY_HOLDERS`.

        Raises:
            NoDecision: the state store is unavailable.
        """
        await self._feed.refresh()
        now = self._clock()
        latest = {(entry.kind, entry.target): entry for entry in self._feed.active.all(now)}
        if by_holders:
            since = max(after, self._feed.sequence - MAX_LISTED_BY_HOLDERS)
            for entry in await self._store.revocations(after=since):
                latest[entry.kind, entry.target] = entry
        found = [
            entry
            for entry in latest.values()
            if entry.expires_at > now
            and entry.seq > after
            and (not kinds or entry.kind in kinds)
            and (by_holders or entry.origin is not RevocationOrigin.HOLDER)
        ]
        return sorted(found, key=lambda entry: entry.seq, reverse=True)[:limit]

    def _unknown_end(self) -> float:
        return self._clock() + self._retention.unknown_seconds

    async def _revoke(
        self, kind: RevocationKind, target: str, reason: str, expires_at: float, *, at: float | None = None
    ) -> Receipt:
        now = self._clock()
        reasons = (reason,) if reason else ()
        revocation = Revocation(kind, target, now if at is None else at, expires_at, reasons)
        revocation = replace(revocation, seq=await self._store.revoke(revocation))
        _log.warning(
            "revoked",
            extra={"kind": str(kind), "target": target, "reason": reason, "sequence": revocation.seq},
        )
        await self._feed.catch_up(revocation.seq)
        # An older revocation of the same target may last longer.
        revocation = self._feed.active.get(kind, target) or revocation
        try:
            impact = await measure_impact(self._store, revocation, now=now)
        except NoDecision:
            # The revocation holds even if its impact can't be counted.
            impact = Impact(complete=False)
        return Receipt(revocation, impact)
