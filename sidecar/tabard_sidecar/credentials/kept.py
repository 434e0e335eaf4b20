"""Keeps of a request what its credential's end needs, for as long as the credential lasts; never the call's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.state import RevocationKind
from tabard_sidecar.state.leases import LeaseTarget
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.credentials.revoked import Targets
    from tabard_sidecar.model import CredentialRequest
    from tabard_sidecar.state import Revocation


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """What is left of a request. An agent says how large arguments are, and a credential may last for hours.

    Attributes:
        credential_id: id of the credential.
        root_id: root of the task.
        holder_id: the holder's link.
        person: whose task it is: issuer and subject.
        task_started_at: in seconds since the epoch.
        targets: what ends the credential when revoked.
    """

    credential_id: str
    root_id: str
    holder_id: str
    person: tuple[str, str]
    task_started_at: float
    targets: frozenset[LeaseTarget]

    @classmethod
    def of(cls, request: CredentialRequest, targets: Targets) -> KeptRequest:
        """Return what is kept of a request, of which ``targets`` tells what ends it."""
        grant = request.grant
        return cls(
            credential_id=request.credential_id,
            root_id=grant.root_id,
            holder_id=grant.holder_id,
            person=(grant.subject.issuer, grant.subject.id),
            task_started_at=grant.task.started_at,
            targets=targets(request),
        )

    @property
    def subject(self) -> str:
        """The person, as revocations name them."""
        return next(one.target for one in self.targets if one.kind is RevocationKind.SUBJECT)

    def ended_by(self, revocation: Revocation) -> bool:
        """Tell whether a revocation ends the credential."""
        kind = revocation.kind
        if kind in {RevocationKind.SUBJECT, RevocationKind.STATE} and self.task_started_at > revocation.at:
            return False
        return kind is RevocationKind.STATE or LeaseTarget(kind, revocation.target) in self.targets
