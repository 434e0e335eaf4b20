"""Reads the state of a request's task, and checks that no part of its chain was ended or revoked."""

from __future__ import annotations

from collections.abc import Callable

from tabard_sidecar.errors import Refused
from tabard_sidecar.grants import IndexedGrant, check_expiry
from tabard_sidecar.interfaces import Clock, Revocations
from tabard_sidecar.model import Agent
from tabard_sidecar.pipeline.requests import VerifiedCall
from tabard_sidecar.pipeline.store_epoch import StoreEpoch
from tabard_sidecar.pipeline.task_state_cache import TaskStateCache
from tabard_sidecar.state import HISTORY_CALLS, StateStore, TaskState


class TaskStates:
    """Looks task states up.

    Args:
        state: the zone's state store.
        cache: states that this sidecar's reservations left.
        epoch: detects a store that lost data.
        revocations: what operators revoked.
        clock: time in seconds since the epoch.
        unknown: called with the start of a task that the store doesn't know, in seconds since the epoch.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - one argument per dependency
        self,
        state: StateStore,
        cache: TaskStateCache,
        epoch: StoreEpoch,
        revocations: Revocations,
        clock: Clock,
        unknown: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._state = state
        self._cache = cache
        self._epoch = epoch
        self._revocations = revocations
        self._clock = clock
        self._unknown = unknown

    async def look_up(self, agent: Agent, grant: IndexedGrant, *, with_calls: bool) -> TaskState:
        """Look up the state of a chain; past calls of its task are read only ``with_calls``.

        Raises:
            Refused: part of the chain was ended or revoked, a holder has too many children, the store doesn't
                know the task or has lost acknowledged writes.
            NoDecision: the state store is out of reach.
        """
        found = await self._known(grant, with_calls=with_calls)
        await self.check_alive(agent, grant, found)
        return found

    async def check_call(self, call: VerifiedCall) -> None:
        """Check that nothing was ended or revoked since a call was allowed; see :meth:`look_up`."""
        found = await self._known(call.grant, with_calls=False)
        await self._revocations.check(call.agent, call.grant, newest=found.revocations, now=self._clock())

    async def _known(self, grant: IndexedGrant, *, with_calls: bool) -> TaskState:
        before = self._epoch.highest
        found = await self._state.look_up(grant.chain, calls=HISTORY_CALLS if with_calls else 0)
        await self._epoch.check(found.epoch, before=before)
        if found.ended:
            raise task_ended(grant, found.ended)
        if not found.known:
            self._unknown(grant.task.started_at)
            message = (
                f"the zone's state store doesn't know task {grant.task.id}: it was emptied or replaced since"
            )
            raise Refused("task_unknown", message)
        return found

    async def standing(
        self, agent: Agent, grant: IndexedGrant, *, with_calls: bool = False, late: bool = False
    ) -> TaskState:
        """Look up the state of a chain whose holder may still act.

        This is the first thing that every request with a grant passes, after the grant's signature and its holder. Only
        a call that a cached state may decide is checked otherwise, with the same result: see :class:`TaskStateReader`.
        A holder without standing changes nothing.

        Args:
            agent: this workload.
            grant: the grant that it presents and holds.
            with_calls: whether past calls of the task are read.
            late: accept a grant that has expired.

        Raises:
            Refused: the grant has expired or can't be used, part of the chain was ended or revoked, a holder has too many
                children, the store doesn't know the task or has lost acknowledged writes.
            NoDecision: the state store is out of reach.
        """
        if grant.refusal is not None:
            raise Refused(*grant.refusal)
        if not late:
            check_expiry(grant, now=self._clock())
        return await self.look_up(agent, grant, with_calls=with_calls)

    def reader(self, agent: Agent, grant: IndexedGrant, *, with_calls: bool) -> TaskStateReader:
        """Return the reader of one request."""
        return TaskStateReader(self, agent, grant, with_calls=with_calls)

    def take_cached(self, grant: IndexedGrant, *, with_calls: bool) -> TaskState | None:
        """Take the state that this sidecar's last reservation left; ``None`` if that isn't known.

        It may be out of date: nothing may be decided on it but what a reservation then confirms.
        """
        return self._cache.take(grant.chain, with_calls=with_calls, revocations=self._revocations.newest)

    def forget(self, grant: IndexedGrant) -> None:
        """Drop the cached state of a task that is about to be changed by something other than a reservation."""
        self._cache.forget(grant.root_id)

    async def count_children(self, grant: IndexedGrant) -> None:
        """Count the chain's links as children of those before them.

        Raises:
            Refused: a holder has as many children as it may have.
            NoDecision: the store is out of reach.
        """
        if not grant.links:
            return
        # Counted until the task expires: an early expiry of one child's grant doesn't free its place.
        refused = await self._state.register_children(
            grant.counted, now=self._clock(), expires_at=grant.task.expires_at
        )
        if refused is not None:
            raise Refused(
                "children_exceeded",
                f"holder {refused.parent_id[:12]} may have {refused.limit} children and has that many already",
            )

    async def check_alive(self, agent: Agent, grant: IndexedGrant, state: TaskState) -> None:
        """Check that the chain isn't revoked and that its links count as children.

        Raises:
            Refused: a workload or person of the chain is revoked, or a holder has too many children.
            NoDecision: the state store is out of reach.
        """
        await self._revocations.check(agent, grant, newest=state.revocations, now=self._clock())
        await self.count_children(grant)


class TaskStateReader:
    """Reads the task state of one request: first as cached, if it is, and from then on as looked up."""

    def __init__(self, states: TaskStates, agent: Agent, grant: IndexedGrant, *, with_calls: bool) -> None:
        self._states = states
        self._agent = agent
        self._grant = grant
        self._with_calls = with_calls
        # A reservation alone doesn't confirm approvals, so the state of such a call is looked up.
        self._may_use_cache = not grant.third_parties

    async def read(self) -> TaskState:
        """Return the next reading. ``cached`` tells whether it came from the cache.

        Raises:
            Refused: see :meth:`TaskStates.look_up`.
            NoDecision: the state store is out of reach.
        """
        if self._may_use_cache:
            self._may_use_cache = False
            cached = self._states.take_cached(self._grant, with_calls=self._with_calls)
            if cached is not None:
                await self._states.check_alive(self._agent, self._grant, cached)
                return cached
        return await self._states.look_up(self._agent, self._grant, with_calls=self._with_calls)


def task_ended(grant: IndexedGrant, link_id: str) -> Refused:
    """Return the refusal of a chain whose link ``link_id`` was ended."""
    what = "the task" if link_id == grant.root_id else "this part of the task"
    return Refused("task_ended", f"{what} was ended (link {link_id[:12]})")
