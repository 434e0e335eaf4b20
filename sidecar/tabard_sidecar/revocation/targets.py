"""How the targets of revocations are written, and how long each kind is remembered."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_TASK_SECONDS = 30 * 86_400.0
"""Longest life that any sidecar of a zone can be configured to give to a task, and so to a credential."""
UNTIL_LIFTED = 253_402_300_799.0
"""Stands for "never forgotten": the last second of the year 9999, which every store and message can hold."""
ENDED_BY_HOLDER = "ended by its holder"
"""Reason of a link's revocation that isn't an operator's: every task that is ended leaves one."""
REVOKED_BY_HOLDER = "revoked by its holder"
"""Reason of a credential's revocation that isn't an operator's."""

_LINK_ID = re.compile(r"[0-9a-f]{64}")
_CREDENTIAL_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True, slots=True)
class Retention:
    """How long revocations are remembered, in seconds.

    Attributes:
        subject_seconds: those of people, unless somebody says otherwise.
        unknown_seconds: those of links and credentials whose end isn't known.
    """

    subject_seconds: float
    unknown_seconds: float = LONGEST_TASK_SECONDS


def is_link_id(value: str) -> bool:
    """Tell whether ``value`` could be the id of a root or a link."""
    return _LINK_ID.fullmatch(value) is not None


def is_credential_id(value: str) -> bool:
    """Tell whether ``value`` could be the id of a credential."""
    return _CREDENTIAL_ID.fullmatch(value) is not None


def subject_target(issuer: str, subject_id: str) -> str:
    """Return how a person is written. The issuer holds no space, so the first one ends it."""
    return f"{issuer} {subject_id}"


def subject_of(target: str) -> tuple[str, str]:
    """Return issuer and id of a person."""
    issuer, _, subject_id = target.partition(" ")
    return issuer, subject_id


def own_credential_target(credential_id: str, link_id: str) -> str:
    """Return how a credential is written that its holder revokes.

    Agents can name any id they like, so what they revoke only counts for a credential issued to the holder itself.
    """
    return f"{credential_id} {link_id}"
