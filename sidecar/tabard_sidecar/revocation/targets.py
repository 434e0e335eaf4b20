"""Formats the targets of revocations, and defines how long each kind is kept."""

from __future__ import annotations

import re

from tabard_sidecar.model import CredentialRequest
from tabard_sidecar.state import RevocationKind
from tabard_sidecar.state.leases import LeaseTarget
from tabard_sidecar.util.ids import line_of
from tabard_sidecar.util.lean import dataclass

LONGEST_TASK_SECONDS = 30 * 86_400.0
"""Longest lifetime of a task, and so of a credential, that any sidecar of a zone can be configured with."""
UNTIL_LIFTED = 253_402_300_799.0
"""Expiry of a revocation without an end: the last second of the year 9999, which every store and message can hold."""

_LINK_ID = re.compile(r"[0-9a-f]{64}")
_CREDENTIAL_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Retention:
    """How long revocations are kept, in seconds.

    Attributes:
        subject_seconds: for people, unless the operator gives another time.
        unknown_seconds: for links and credentials whose expiry isn't known.
    """

    subject_seconds: float
    unknown_seconds: float = LONGEST_TASK_SECONDS


def is_link_id(value: str) -> bool:
    """Tell whether ``value`` could be the id of a root or a link."""
    return _LINK_ID.fullmatch(value) is not None


def is_credential_id(value: str) -> bool:
    """Tell whether ``value`` has the form of the ids that credentials get: RFC 9562, version 4, in lower case."""
    return _CREDENTIAL_ID.fullmatch(value) is not None


def subject_target(issuer: str, subject_id: str) -> str:
    """Return the target that names a person. The issuer holds no space, so the first space ends it."""
    return f"{issuer} {subject_id}"


def subject_of(target: str) -> tuple[str, str]:
    """Return the issuer and the id in a person's target."""
    issuer, _, subject_id = target.partition(" ")
    return issuer, subject_id


def line_target(target: str) -> str:
    """Return the target of a credential, or of one of a holder, as it is for the whole line of renewals."""
    credential_id, space, link_id = target.partition(" ")
    return f"{line_of(credential_id)}{space}{link_id}"


def own_credential_target(credential_id: str, link_id: str) -> str:
    """Return the target of a credential that its holder revokes.

    Agents can name any id, so their revocation only applies to a credential that was issued to the holder itself.
    """
    return f"{credential_id} {link_id}"


def lease_targets(request: CredentialRequest) -> frozenset[LeaseTarget]:
    """Return all whose revocation ends a credential that another system issues: each has exactly the target of one."""
    grant, credential_id = request.grant, request.credential_id
    workloads = {request.agent.id, grant.root_holder, *(link.holder for link in grant.links)}
    return frozenset(
        [
            *(LeaseTarget(RevocationKind.LINK, link_id) for link_id in grant.link_ids),
            *(LeaseTarget(RevocationKind.AGENT, workload) for workload in workloads),
            LeaseTarget(RevocationKind.SUBJECT, subject_target(grant.subject.issuer, grant.subject.id)),
            LeaseTarget(RevocationKind.CREDENTIAL, credential_id),
            LeaseTarget(RevocationKind.CREDENTIAL, own_credential_target(credential_id, grant.holder_id)),
        ]
    )
