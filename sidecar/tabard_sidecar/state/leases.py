"""The journal of leases: what other systems issued for calls of the zone, and what ends it.

A lease is noted before its credential is obtained, so that every sidecar of the zone can have it ended. Times are seconds
since the epoch.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from tabard_sidecar.state.model import RevocationKind
from tabard_sidecar.util.lean import dataclass

EXCHANGE = "exchange/"
"""What the sources of exchanged tokens begin with; no vault has such a name."""


class LeaseTarget(NamedTuple):
    """Something whose revocation ends a lease. ``target`` is as in :class:`~tabard_sidecar.state.model.Revocation`."""

    kind: RevocationKind
    target: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A credential that another system issued, and keeps until it expires or is revoked there. Holds no secret in the clear.

    Attributes:
        lease_id: id of the credential.
        source: name of the configured vault or server that issued it.
        role: the configured role.
        accessor: what the source revokes it by: an accessor, or the token itself, sealed (:data:`EXCHANGE`).
        source_id: tells the source from another one of the same name; empty if that isn't known.
        root_id: root of the task.
        link_id: the holder's link.
        task_id: the task.
        task_started_at: a person's revocation ends leases of tasks that started before it.
        holder: the workload that got the credential.
        subject: the person, as revocations name them.
        created_at: when it was noted.
        expires_at: when the source ends it by itself.
        targets: what ends it when revoked: the chain's links and workloads, the person, the credential.
    """

    lease_id: str
    source: str
    role: str
    accessor: str
    source_id: str
    root_id: str
    link_id: str
    task_id: str
    task_started_at: float
    holder: str
    subject: str
    created_at: float
    expires_at: float
    targets: tuple[LeaseTarget, ...]


@dataclass(frozen=True, slots=True)
class LeaseFilter:
    """Which leases are wanted; an empty text stands for any."""

    task_id: str = ""
    source: str = ""
    holder: str = ""


ANY_LEASE = LeaseFilter()


@dataclass(frozen=True, slots=True)
class LeasePage:
    """Some of the wanted leases, by their id, and the id after which the list goes on; empty at its end."""

    leases: tuple[Lease, ...]
    after: str = ""


class LeaseJournal(Protocol):
    """The part of the state store that holds leases.

    Every method raises :class:`~tabard_sidecar.errors.NoDecision` with ``state_unavailable`` when the store can't be used.
    """

    async def add_lease(self, lease: Lease, *, durable: bool = True) -> None:
        """Note a lease. ``durable`` is False for one that ends by itself in seconds, unless it is extended."""
        ...

    async def extend_lease(self, lease_id: str, *, expires_at: float) -> bool:
        """Note that a lease lasts longer; return False, and do nothing, for one that isn't noted.

        Durable, with what :meth:`add_lease` noted of it.
        """
        ...

    async def end_lease(self, lease_id: str) -> bool:
        """Forget a lease, because its source has ended it or never issued it; tell whether it was noted."""
        ...

    async def leases(
        self, *, now: float, wanted: LeaseFilter = ANY_LEASE, after: str = "", limit: int = 100
    ) -> LeasePage:
        """Return leases that haven't expired, at most ``limit``, ordered by id.

        A page may hold fewer although the list goes on, because a bounded number of leases is examined at once.
        """
        ...

    async def leases_of(
        self, target: LeaseTarget, *, now: float, after: str = "", limit: int = 100
    ) -> LeasePage:
        """Return leases that haven't expired and that the revocation of ``target`` ends, as :meth:`leases` does."""
        ...

    async def revoked_leases(self, *, now: float, after: str = "", limit: int = 100) -> LeasePage:
        """Return leases that haven't expired although a revocation that holds ends them, as :meth:`leases` does.

        They belong to a sidecar that was killed, or were noted just after the revocation.
        """
        ...
