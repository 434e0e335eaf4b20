"""Encodes and decodes the identifier of a root grant, which every holder of the grant can read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tabard.arguments import ArgumentsError, canonical, parse_json
from tabard.macaroon import MAX_CHARS

from tabard_sidecar.errors import Refused
from tabard_sidecar.model import IntentSource, Subject, Task
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
TYPE = "grant"

_FIELDS = {
    "expires_at": float,
    "holder": str,
    "intent_source": str,
    "issued_at": float,
    "kid": str,
    "purpose": str,
    "statement": str,
    "subject": dict,
    "task": str,
    "type": str,
    "v": int,
    "zone": str,
}
_SUBJECT_FIELDS = {"id": str, "issuer": str, "claims": dict}


@dataclass(frozen=True, slots=True)
class RootIdentifier:
    """What a root grant states besides its caveats. ``kid`` names the key it was made with."""

    kid: str
    zone: str
    holder: str
    subject: Subject
    task: Task


def encode(identifier: RootIdentifier) -> bytes:
    """Return the identifier as canonical JSON (RFC 8785).

    Raises:
        Refused: a claim of the subject can't be represented.
    """
    subject, task = identifier.subject, identifier.task
    shown: dict[str, Any] = {"id": subject.id, "issuer": subject.issuer, "claims": dict(subject.claims)}
    if subject.authenticated_at is not None:
        shown["authenticated_at"] = subject.authenticated_at
    try:
        return canonical(
            {
                "v": VERSION,
                "type": TYPE,
                "kid": identifier.kid,
                "zone": identifier.zone,
                "task": task.id,
                "subject": shown,
                "purpose": task.purpose,
                "statement": task.statement,
                "intent_source": task.intent_source.value,
                "holder": identifier.holder,
                "issued_at": task.started_at,
                "expires_at": task.expires_at,
            }
        )
    except ArgumentsError as error:
        raise Refused(
            "subject_token_claims", f"the grant can't carry what it has to state: {error}"
        ) from None


def decode(data: bytes) -> RootIdentifier:
    """Read an identifier; nothing of it is verified yet.

    Raises:
        Refused: it is a credential's, of another format version, or malformed.
    """
    found = _object(data)
    kind = found.get("type")
    if isinstance(kind, str) and kind.startswith("credential"):
        raise Refused("credential_as_grant", "the macaroon is a credential, not a grant")
    if kind != TYPE or found.get("v") != VERSION:
        raise Refused("grant_malformed", f"the macaroon is not a grant of format version {VERSION}")
    _check(found, _FIELDS, "its identifier")
    subject = found["subject"]
    authenticated_at = subject.pop("authenticated_at", None)
    _check(subject, _SUBJECT_FIELDS, "its subject")
    if authenticated_at is not None and not _is(authenticated_at, float):
        raise Refused("grant_malformed", "its subject has a malformed authenticated_at")
    try:
        source = IntentSource(found["intent_source"])
    except ValueError:
        raise Refused("grant_malformed", "its intent_source is unknown") from None
    return RootIdentifier(
        kid=found["kid"],
        zone=found["zone"],
        holder=found["holder"],
        subject=Subject(subject["id"], subject["issuer"], subject["claims"], authenticated_at),
        task=Task(
            found["task"],
            found["purpose"],
            found["statement"],
            source,
            float(found["issued_at"]),
            float(found["expires_at"]),
        ),
    )


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = parse_json(data, max_bytes=MAX_CHARS)
    except ArgumentsError:
        found = None
    if not isinstance(found, dict):
        raise Refused("grant_malformed", "its identifier is not a JSON object")
    return found


def _check(found: dict[str, Any], wanted: Mapping[str, type], what: str) -> None:
    if found.keys() != wanted.keys() or not all(_is(found[name], kind) for name, kind in wanted.items()):
        raise Refused("grant_malformed", f"{what} has a missing, unknown or malformed field")


def _is(value: object, kind: type) -> bool:
    if kind is float:
        return type(value) in {int, float} and math.isfinite(value)  # type: ignore[arg-type]
    return type(value) is kind
