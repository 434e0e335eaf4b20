"""The Redis state store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import orjson

from tabard_sidecar.state.model import (
    REASONS_KEPT,
    Chain,
    Child,
    Claim,
    ClaimState,
    Outcome,
    OutcomeState,
    Reservation,
    Reserved,
    ReserveState,
    Revocation,
    RevocationKind,
    TaskState,
)
from tabard_sidecar.state.redis import codec, opening, scripts
from tabard_sidecar.state.redis.announcements import Announcements
from tabard_sidecar.state.redis.approvals import RedisApprovals
from tabard_sidecar.state.redis.codec import milliseconds
from tabard_sidecar.state.redis.leases import RedisLeases
from tabard_sidecar.state.redis.link import GRACE_SECONDS, RedisLink
from tabard_sidecar.state.redis.loss import Acknowledged
from tabard_sidecar.state.redis.options import RedisOptions
from tabard_sidecar.state.redis.replies import not_understood, understood
from tabard_sidecar.state.redis.tasks import RedisTasks
from tabard_sidecar.state.store import (
    CLAIM_SECONDS,
    HISTORY_CALLS,
    KEPT_CALLS,
    KEPT_SECONDS,
    LEASE_KEPT_SECONDS,
    ConcurrentWork,
    no_work,
)
from tabard_sidecar.util.fifo import FifoDict
from tabard_sidecar.util.malformed import MALFORMED

_KNOWN_CHILDREN = 65_536
_EXPIRE_ROWS = 2_000
_EXPIRE_TASKS = 50


class RedisStateStore(RedisTasks, RedisLeases, RedisApprovals):
    """The :class:`~tabard_sidecar.state.store.StateStore` of a zone whose sidecars run on many machines.

    Every operation is one script: one round trip, all or nothing. A durable write also waits for ``options.replicas``
    replicas. The epoch of an answer is 0 if the server has lost writes that it acknowledged to this sidecar, even if
    others have written since.

    Args:
        options: the server's address, credentials and limits.
        zone: the zone. All its keys begin with ``tabard:{<zone>}:``, so a cluster keeps them in one slot.
    """

    def __init__(self, options: RedisOptions, *, zone: str) -> None:
        self._zone = zone
        self._link = RedisLink(options, zone)
        self._announcements = Announcements(self._link)
        self._calls = codec.Calls()
        # Counted children stay counted, so a grant that is used again needs no write.
        self._known_children: FifoDict[tuple[str, str], None] = FifoDict(_KNOWN_CHILDREN)
        self._acknowledged = Acknowledged()

    async def open(self) -> None:
        """Connect and check the server.

        Raises:
            RedisStateError: the server can't be used as it is.
            NoDecision: it can't be reached.
        """
        await self._connect(opening.prepare)

    async def look(self) -> Sequence[str]:
        """Connect and check the server, but write nothing; see the interface.

        Raises:
            RedisStateError: the server can't be used as it is.
            NoDecision: it can't be reached.
        """
        await self._connect(opening.look)
        return ()

    async def _connect(self, examine: Callable[[RedisLink, str], Awaitable[None]]) -> None:
        self._link.connect()
        try:
            await examine(self._link, self._zone)
        except opening.RedisStateError:
            await self._link.close()
            raise
        except MALFORMED as error:
            await self._link.close()
            raise not_understood(self._link.options.place, error) from error
        except BaseException:
            await self._link.close()
            raise

    async def close(self) -> None:
        """Close every connection."""
        await self._announcements.close()
        await self._link.close()

    @understood
    async def claim_request(self, key: bytes, body: bytes, *, now: float, expires_at: float) -> Claim:
        """Claim a request; see the interface."""
        arguments = {
            "key": key.hex(),
            "lasts": CLAIM_SECONDS,
            "expires": expires_at,
            "until_ms": milliseconds(expires_at + GRACE_SECONDS),
        }
        state, response = await self._run_timed(scripts.CLAIM_REQUEST, now, arguments, body)
        return Claim(ClaimState(state.decode()), response)

    @understood
    async def complete_request(self, key: bytes, response: bytes, *, expires_at: float) -> None:
        """Store a response; see the interface."""
        arguments = {
            "key": key.hex(),
            "expires": expires_at,
            "until_ms": milliseconds(expires_at + GRACE_SECONDS),
        }
        await self._link.run(scripts.COMPLETE_REQUEST, arguments, response)

    @understood
    async def abandon_request(self, key: bytes) -> None:
        """Abandon a claim; see the interface."""
        await self._link.run(scripts.ABANDON_REQUEST, {"key": key.hex()})

    @understood
    async def consume(self, name: str, *, limit: int, now: float, expires_at: float) -> bool:
        """Count one use; see the interface."""
        arguments = {
            "name": codec.digest(name),
            "limit": limit,
            "expires": expires_at,
            "until_ms": milliseconds(expires_at + GRACE_SECONDS),
        }
        return bool(await self._run_timed(scripts.CONSUME, now, arguments, durable=True))

    @understood
    async def look_up(self, chain: Chain, *, calls: int = HISTORY_CALLS) -> TaskState:
        """Return a chain's task state; see the interface."""
        arguments = {
            "links": chain.link_ids,
            "owners": chain.owners,
            "budgets": [budget.budget_id for budget in chain.budgets],
            "calls": calls,
        }
        mark = self._acknowledged.mark()
        task_state, written = codec.task_state(
            await self._link.run(scripts.LOOK_UP, arguments), chain, self._calls, requested=calls
        )
        if self._lost(mark, written, task_state.epoch):
            return replace(task_state, epoch=0)
        return task_state

    @understood
    async def reserve(
        self, reservation: Reservation, *, concurrent_work: ConcurrentWork = no_work
    ) -> Reserved:
        """Make a call's reservation; see the interface."""
        arguments = codec.reservation(reservation)
        arguments |= {"kept": KEPT_CALLS, **codec.LABEL_RULES}
        if reservation.notes is not None:
            arguments |= codec.FACT_RULES
        mark = self._acknowledged.mark()
        state, what, epoch, before, *after = await self._run_timed(
            scripts.RESERVE, reservation.now, arguments, concurrent_work=concurrent_work
        )
        if state == b"done":
            if self._lost(mark, int(before), int(epoch) - 1):
                epoch = 0
            self._acknowledged.wrote(int(before) + 1)
        return Reserved(ReserveState(state.decode()), what.decode(), int(epoch), *map(int, after))

    def _lost(self, mark: tuple[int, int], writes: int, epoch: int) -> bool:
        """Tell whether the server lost acknowledged writes; the caller then reports epoch 0."""
        if not self._acknowledged.lost(mark, writes, epoch):
            return False
        # Cached children may be among the lost writes.
        self._known_children.clear()
        return True

    @understood
    async def release(self, decision_id: str, root_id: str) -> bool:
        """Undo a reservation; see the interface."""
        arguments = {"root": root_id, "decision": decision_id, **codec.FACT_RULES}
        found = await self._link.run(scripts.RELEASE, arguments)
        return int(found) == 1

    @understood
    async def report(self, outcome: Outcome) -> OutcomeState:
        """Record an outcome; see the interface."""
        signed = outcome.signed
        refunds = dict(signed.refunds) if signed is not None else {}
        arguments = {
            "root": outcome.root_id,
            "link": outcome.link_id,
            "decision": outcome.decision_id,
            "raised": outcome.raised,
            "signed": signed is not None,
            "amounts": signed.amounts if signed is not None else "",
            "audience": signed.audience if signed is not None else "",
            "refunded": refunds,
            "takes_back": signed is not None and signed.takes_back,
            "refunds": orjson.dumps(refunds).decode(),
            "labels": signed.labels if signed is not None else (),
            "reported": outcome.reported,
            "facts": codec.signed_facts(signed) if signed is not None else (),
            "failed": signed is not None and signed.failed,
            "workloads": (outcome.workload,) if outcome.workload else (),
            **codec.LABEL_RULES,
            **codec.FACT_RULES,
        }
        return OutcomeState((await self._run_timed(scripts.REPORT, outcome.now, arguments)).decode())

    @understood
    async def register_children(
        self, children: Sequence[Child], *, now: float, expires_at: float
    ) -> Child | None:
        """Count children; see the interface."""
        fresh = [child for child in children if (child.parent_id, child.child_id) not in self._known_children]
        if not fresh:
            return None
        arguments = {
            "children": [codec.child(one) for one in fresh],
            "expires": expires_at,
            **codec.LABEL_RULES,
            "until_ms": milliseconds(expires_at + KEPT_SECONDS),
        }
        refused = int(await self._run_timed(scripts.REGISTER_CHILDREN, now, arguments))
        if refused:
            return fresh[refused - 1]
        for child in fresh:
            self._known_children[child.parent_id, child.child_id] = None
        return None

    @understood
    async def ended_at_or_above(self, link_id: str) -> bool:
        """Follow a link's parents; see the interface."""
        return bool(await self._link.run(scripts.ENDED_AT_OR_ABOVE, {"link": link_id}))

    @understood
    async def revoke(self, revocation: Revocation) -> int:
        """Revoke; see the interface."""
        arguments = {
            "field": codec.revocation_field(revocation.kind, revocation.target),
            "at": revocation.at,
            "expires": revocation.expires_at,
            "reasons": revocation.reasons,
            "origin": revocation.origin.value,
            "most_reasons": REASONS_KEPT,
            "kept": KEPT_SECONDS,
        }
        return int(await self._link.run(scripts.REVOKE, arguments, durable=True))

    @understood
    async def lift(self, kind: RevocationKind, target: str) -> bool:
        """Lift a revocation; see the interface."""
        if kind is RevocationKind.LINK:
            return False
        arguments = {"field": codec.revocation_field(kind, target)}
        return bool(await self._link.run(scripts.LIFT, arguments, durable=True))

    @understood
    async def revocations(self, *, after: int = 0) -> Sequence[Revocation]:
        """Return revocations in order; see the interface."""
        return codec.revocations(await self._link.run(scripts.REVOCATIONS, {"after": after}))

    @understood
    async def watch(self, after: int, *, timeout_seconds: float) -> bool:
        """Wait for a revocation, which the server publishes; see the interface."""
        await self._link.keep_durable()
        return await self._announcements.wait(after, timeout_seconds=timeout_seconds)

    @understood
    async def expire(self, *, now: float) -> int:
        """Delete expired rows; see the interface."""
        arguments = {
            "kept": KEPT_SECONDS,
            "grace": GRACE_SECONDS,
            "lease_kept": LEASE_KEPT_SECONDS,
            "rows": _EXPIRE_ROWS,
            "tasks": _EXPIRE_TASKS,
        }
        return int(await self._run_timed(scripts.EXPIRE, now, arguments))

    @understood
    async def check(self) -> Sequence[str]:
        """Check the server; see the interface."""
        return await opening.problems(self._link)

    @understood
    async def compact(self) -> int:
        """Free unused space; see the interface."""
        return await opening.compact(self._link)
