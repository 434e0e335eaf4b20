"""Orders the bundles of one policy by the sequence number in their manifests, so that an older one is noticed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

MAX_SEQUENCE = 2**53 - 1
"""The largest integer that every reader of JSON takes exactly (RFC 8259, section 6)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bundle stands among those of its policy.

    Attributes:
        sequence: its number; 0 if its manifest has none.
        digest: SHA-256 over its paths and contents, signatures aside.
    """

    sequence: int
    digest: str


def sequence_of(manifest: Mapping[str, Json], where: str) -> int:
    """Return ``metadata.tabard.sequence`` of a manifest; 0 if there is none.

    Raises:
        PolicyBrokenError: it isn't an integer from 1 to :data:`MAX_SEQUENCE`.
    """
    metadata = manifest.get("metadata")
    own = metadata.get("tabard") if isinstance(metadata, dict) else None
    if not isinstance(own, dict) or "sequence" not in own:
        return 0
    found = own["sequence"]
    if isinstance(found, int) and not isinstance(found, bool) and 1 <= found <= MAX_SEQUENCE:
        return found
    message = f"metadata.tabard.sequence of the manifest isn't an integer from 1 to {MAX_SEQUENCE}"
    raise _refused(where, "manifest", message, "Build the bundle with `tabard policy build`")


def require_not_older(found: Place, last: Place | None, accepted: int | None, where: Path) -> None:
    """Refuse a bundle that is older than the last one that was used.

    Args:
        found: the bundle's place.
        last: the last one's; ``None`` if there was none.
        accepted: a sequence number that is accepted although it is smaller.
        where: what messages call the bundle.

    Raises:
        PolicyBrokenError: its number is smaller, or the same with another content.
    """
    if last is None or found.sequence > last.sequence or found.sequence == accepted:
        return
    if found.sequence == last.sequence and (found.sequence == 0 or found.digest == last.digest):
        return
    force = f"or set policy.download.accept_sequence to {found.sequence} to go back to this one"
    if found.sequence == last.sequence:
        message = f"has the sequence number {found.sequence} of the bundle in use, and another content"
    elif found.sequence == 0:
        message = f"has no sequence number, and the bundle in use has {last.sequence}"
    else:
        message = f"is older than the bundle in use: sequence number {found.sequence}, not {last.sequence}"
    raise _refused(str(where), "older", message, f"Build it again with `tabard policy build`, {force}")


def _refused(where: str, code: str, message: str, next_step: str) -> PolicyBrokenError:
    return PolicyBrokenError([PolicyProblem(where, 0, 0, code, message, next_step)])
