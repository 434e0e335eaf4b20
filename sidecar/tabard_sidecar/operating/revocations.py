"""Describes revocations as ``--json`` and pages show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp
    from tabard.authz.v1 import revocation_service_pb2 as revocation_pb

KINDS = ("link", "agent", "subject", "credential", "state")


def describe(entry: revocation_pb.Revocation) -> dict[str, Any]:
    """Return a revocation as ``--json`` prints it; times are seconds since the epoch."""
    from tabard.authz.v1 import revocation_service_pb2 as pb  # noqa: PLC0415

    kind = pb.RevocationKind.Name(entry.kind).removeprefix("REVOCATION_KIND_").lower()
    document: dict[str, Any] = {"sequence": entry.sequence, "kind": kind}
    if kind == "subject":
        document["subject"] = {"issuer": entry.subject.issuer, "id": entry.subject.id}
    else:
        document["target"] = entry.target
    document["revoked_at"] = seconds(entry.revoke_time)
    document["expires_at"] = seconds(entry.expire_time) if entry.HasField("expire_time") else None
    document["reasons"] = list(entry.reasons)
    document["origin"] = pb.RevocationOrigin.Name(entry.origin).removeprefix("REVOCATION_ORIGIN_").lower()
    return document


def seconds(time: Timestamp) -> float:
    """Return a time as seconds since the epoch, to the millisecond."""
    return round(time.seconds + time.nanos / 1e9, 3)
