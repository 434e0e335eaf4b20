"""Hands a task to a workload of another zone: what of its grant goes along, and the signed token that says so."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tabard.caveats import Branch, Budget, Expiry, Hop, MaxDepth, encode_caveat

from tabard_sidecar.errors import Refused
from tabard_sidecar.identity.handover import CARRIED, sign_handover
from tabard_sidecar.keys.model import SIGNING
from tabard_sidecar.model import Handover, Intent
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tabard.caveats import Caveat

    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.keys import ZoneKeys
    from tabard_sidecar.model import VerifiedGrant
    from tabard_sidecar.state import StateStore


@dataclass(frozen=True, slots=True)
class HandingTerms:
    """Terms on which tasks leave the zone.

    Attributes:
        zone: this zone.
        issuer: ``iss`` of what it signs.
        to: zones that tasks may be handed to.
        max_per_task: how often one task may be.
    """

    zone: str
    issuer: str
    to: frozenset[str]
    max_per_task: int


class HandingOver:
    """Hands tasks to other zones.

    Args:
        terms: the terms.
        keys: the zone's keys.
        state: the zone's state store.
        clock: time in seconds since the epoch.
    """

    def __init__(self, terms: HandingTerms, keys: ZoneKeys, state: StateStore, clock: Clock) -> None:
        self._terms = terms
        self._keys = keys
        self._state = state
        self._clock = clock

    def check(self, zone: str) -> None:
        """Check that tasks may be handed to a zone.

        Raises:
            Refused: they may not.
        """
        if zone not in self._terms.to:
            raise Refused(
                "handover_refused",
                f"tasks of zone {self._terms.zone} aren't handed to {zone!a} (handover.to)",
            )

    def token(self, handed: VerifiedGrant, giver: str, labels: Sequence[str], zone: str) -> str:
        """Return the token for a grant that was delegated to the workload of another zone, and stays here.

        Args:
            handed: the delegated grant.
            giver: the workload that hands it over.
            labels: those that the task sees.
            zone: the other zone.

        Raises:
            Refused: the grant has a caveat that has no meaning there, or too much of them.
            NoDecision: no key can sign it.
        """
        task = handed.task
        handover = Handover(
            zone=self._terms.zone,
            holder=giver,
            task_id=task.id,
            subject=handed.subject,
            intent=Intent(task.purpose, task.statement, task.intent_source),
            task_started_at=task.started_at,
            task_expires_at=handed.expires_at,
            caveats=carried(handed),
            labels=labels,
        )
        key = self._keys.active(SIGNING)
        return sign_handover(key, self._terms.issuer, zone, handed.holder, handover, now=self._clock())

    async def count(self, handed: VerifiedGrant) -> None:
        """Count a handover of a task.

        Raises:
            Refused: it was handed over as often as it may.
            NoDecision: the state store is out of reach.
        """
        most = self._terms.max_per_task
        if not await self._state.consume(
            f"handovers:{handed.root_id}", limit=most, now=self._clock(), expires_at=handed.task.expires_at
        ):
            raise Refused(
                "handover_refused", f"the task was handed to other zones {most} times (handover.max_per_task)"
            )


def carried(handed: VerifiedGrant) -> tuple[Caveat, ...]:
    """Return the caveats that hold for a grant in another zone, where its chain begins anew.

    Budgets stay: what is spent there isn't seen here. So of a budget that the task has here nothing is left there.

    Raises:
        Refused: one has no meaning there.
    """
    # First: a budget that came first would count as granted.
    found: list[Caveat] = [Expiry(math.floor(handed.expires_at * 1000) / 1000)]
    for caveat in handed.caveats:
        if isinstance(caveat, Hop | Branch | Expiry | Budget):
            continue
        if isinstance(caveat, MaxDepth):
            found.append(MaxDepth(max(0, caveat.max_depth - handed.depth)))
        elif isinstance(caveat, CARRIED):
            found.append(caveat)
        else:
            raise Refused("handover_refused", f"a {caveat.tag} caveat has no meaning in another zone")
    found += [Budget(name, 0) for name in sorted({budget.name for budget in handed.budgets})]
    return tuple({encode_caveat(caveat): caveat for caveat in found}.values())
