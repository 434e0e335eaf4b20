"""Tells which credentials of other systems a revocation ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.state import RevocationKind
from tabard_sidecar.state.leases import LeaseTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from tabard_sidecar.model import CredentialRequest
    from tabard_sidecar.reasons import ReasonCode
    from tabard_sidecar.state import Revocation

    Targets = Callable[[CredentialRequest], frozenset[LeaseTarget]]
    """Tells what ends the credential of a request when it is revoked."""

REVOKED_CODES: Mapping[RevocationKind, ReasonCode] = {
    RevocationKind.LINK: "task_ended",
    RevocationKind.AGENT: "agent_revoked",
    RevocationKind.SUBJECT: "subject_revoked",
    RevocationKind.CREDENTIAL: "credential_revoked",
    RevocationKind.STATE: "state_rolled_back",
}
"""The reason with which a credential isn't given that was revoked while it was being obtained."""


def ended_by(revocation: Revocation, request: CredentialRequest, targets: Collection[LeaseTarget]) -> bool:
    """Tell whether a revocation ends the credential of a request, which depends on ``targets``."""
    kind = revocation.kind
    if (
        kind in {RevocationKind.SUBJECT, RevocationKind.STATE}
        and request.grant.task.started_at > revocation.at
    ):
        return False
    return kind is RevocationKind.STATE or LeaseTarget(kind, revocation.target) in targets
