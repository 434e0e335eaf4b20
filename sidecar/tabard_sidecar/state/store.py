"""The state store's interface and what its answers look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class ClaimState(StrEnum):
    """What became of an attempt to claim a request."""

    NEW = "new"
    DONE = "done"
    PENDING = "pending"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Claim:
    """Answer to :meth:`StateStore.claim_request`. ``response`` is set if and only if the state is DONE."""

    state: ClaimState
    response: bytes = b""


@dataclass(frozen=True, slots=True)
class Child:
    """One step of a chain as the store counts it.

    ``limit`` is the smallest number of children that any caveat allows the parent, or ``None``.
    """

    parent_id: str
    child_id: str
    limit: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a chain stands. ``ended`` is a link of it that was ended, or empty; ``children`` are those of its last link."""

    ended: str
    children: int


class StateStore(Protocol):
    """What every sidecar of a zone remembers together.

    Every method raises :class:`~tabard_sidecar.refusal.Unanswerable` with ``state_unavailable`` when the store can't
    be read or written; the caller then makes no decision. Times are seconds since the epoch.
    """

    async def open(self) -> None:
        """Connect and bring the schema up to date."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...

    async def claim_request(self, key: bytes, body: bytes, *, now: float, expires_at: float) -> Claim:
        """Claim the right to decide a request.

        ``key`` and ``body`` are digests. NEW means that the caller decides and then calls :meth:`complete_request` or
        :meth:`abandon_request`; a claim whose owner died is given anew after 30 seconds.
        """
        ...

    async def complete_request(self, key: bytes, response: bytes, *, expires_at: float) -> None:
        """Keep the (encrypted) response of a claimed request."""
        ...

    async def abandon_request(self, key: bytes) -> None:
        """Give a claim back; nothing was decided."""
        ...

    async def consume(self, name: str, *, limit: int, now: float, expires_at: float) -> bool:
        """Count one use of ``name`` and tell whether it was within ``limit``. Durable before it returns.

        A use over the limit isn't counted. The count is forgotten after ``expires_at``.
        """
        ...

    async def end(self, link_id: str, task_id: str, *, expires_at: float) -> None:
        """End a link and everything below it. Durable before it returns. Ending twice is no error."""
        ...

    async def look_up(self, link_ids: Sequence[str]) -> Standing:
        """Return how a chain stands: whether one of its links was ended, and the children of its last."""
        ...

    async def ended_at_or_above(self, link_id: str) -> bool:
        """Tell whether a link, or one that it descends from, has been ended.

        Follows the children that were counted, so the link must have been used.
        """
        ...

    async def register_children(self, children: Sequence[Child], *, expires_at: float) -> Child | None:
        """Count children that haven't been seen before, all or none.

        Returns the first one that would exceed its parent's limit, or ``None`` if all are counted.
        """
        ...

    async def expire(self, *, now: float) -> int:
        """Forget what has expired; return the number of rows that went."""
        ...
