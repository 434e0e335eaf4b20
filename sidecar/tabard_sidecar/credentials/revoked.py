"""Names what ends credentials of other systems, and why one isn't given that was revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.state import RevocationKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tabard_sidecar.model import CredentialRequest
    from tabard_sidecar.reasons import ReasonCode
    from tabard_sidecar.state.leases import LeaseTarget

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
