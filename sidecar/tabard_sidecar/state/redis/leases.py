"""Keeps the journal of leases on a Redis server."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from tabard_sidecar.state.leases import ANY_LEASE, Lease, LeaseFilter, LeasePage, LeaseTarget
from tabard_sidecar.state.model import RevocationKind
from tabard_sidecar.state.redis import scripts
from tabard_sidecar.state.redis.codec import digest, milliseconds, revocation_field
from tabard_sidecar.state.redis.link import LinkedPart
from tabard_sidecar.state.redis.replies import understood
from tabard_sidecar.state.rollback import STATE_TARGET
from tabard_sidecar.state.store import LEASE_KEPT_SECONDS

_EXAMINED = 2_000
_RECORD = (
    "lease_id",
    "source",
    "role",
    "accessor",
    "source_id",
    "root_id",
    "link_id",
    "task_id",
    "task_started_at",
    "holder",
    "subject",
    "created_at",
)
# The place of each field in Lua's arrays, which begin with 1.
_PLACES = {name: str(number) for number, name in enumerate(_RECORD, 1)}


class RedisLeases(LinkedPart):
    """Implements :class:`~tabard_sidecar.state.leases.LeaseJournal` by scripts."""

    @understood
    async def add_lease(self, lease: Lease, *, durable: bool = True) -> None:
        """Note a lease; see the interface."""
        targets = [
            (revocation_field(target.kind, target.target), _target_digest(target)) for target in lease.targets
        ]
        arguments = {
            "id": lease.lease_id,
            "record": orjson.dumps([getattr(lease, name) for name in _RECORD]).decode(),
            "expires": lease.expires_at,
            "started": lease.task_started_at,
            "targets": orjson.dumps(targets).decode(),
            "until_ms": milliseconds(lease.expires_at + LEASE_KEPT_SECONDS),
        }
        await self._link.run(scripts.ADD_LEASE, arguments, durable=durable)

    @understood
    async def extend_lease(self, lease_id: str, *, expires_at: float) -> bool:
        """Note a later end; see the interface."""
        arguments = {
            "id": lease_id,
            "expires": expires_at,
            "until_ms": milliseconds(expires_at + LEASE_KEPT_SECONDS),
        }
        return int(await self._link.run(scripts.EXTEND_LEASE, arguments, durable=True)) > 0

    @understood
    async def end_lease(self, lease_id: str) -> bool:
        """Forget a lease; see the interface."""
        return int(await self._link.run(scripts.END_LEASE, {"id": lease_id})) > 0

    @understood
    async def leases(
        self, *, now: float, wanted: LeaseFilter = ANY_LEASE, after: str = "", limit: int = 100
    ) -> LeasePage:
        """Return leases; see the interface."""
        fields = {
            _PLACES[name]: text for name in ("task_id", "source", "holder") if (text := getattr(wanted, name))
        }
        arguments = {"at": now, "most": limit, "examined": _EXAMINED, "after": after, "wanted": fields}
        return _page(await self._link.run(scripts.LEASES, arguments))

    @understood
    async def leases_of(
        self, target: LeaseTarget, *, now: float, after: str = "", limit: int = 100
    ) -> LeasePage:
        """Return what a revocation ends; see the interface."""
        arguments = {"at": now, "most": limit, "after": after, "target": _target_digest(target)}
        return _page(await self._link.run(scripts.LEASES_OF, arguments))

    @understood
    async def revoked_leases(self, *, now: float, after: str = "", limit: int = 100) -> LeasePage:
        """Return what should have ended; see the interface."""
        arguments = {
            "at": now,
            "most": limit,
            "examined": _EXAMINED,
            "after": after,
            "lost": revocation_field(RevocationKind.STATE, STATE_TARGET),
        }
        return _page(await self._link.run(scripts.REVOKED_LEASES, arguments))


def _target_digest(target: LeaseTarget) -> str:
    return digest(target.kind.value, target.target)


def _page(text: bytes) -> LeasePage:
    found, after = orjson.loads(text)
    if not isinstance(after, str):
        raise TypeError("a page's end isn't text")
    return LeasePage(tuple(_lease(*each) for each in found), after)


def _lease(record: Sequence[object], expires_at: float, targets: Sequence[Sequence[str]]) -> Lease:
    fields = dict(zip(_RECORD, record, strict=True))
    ends = []
    for field, _ in targets:
        kind, _, target = field.partition(" ")
        ends.append(LeaseTarget(RevocationKind(kind), target))
    return Lease(**fields, expires_at=float(expires_at), targets=tuple(ends))  # type: ignore[arg-type]
