"""Errors as callers get them: a gRPC status with ``google.rpc.ErrorInfo`` (AIP-193)."""

from __future__ import annotations

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.reasons import describe

DOMAIN = "tabard.dev"


def status(error: NoDecision, decision_id: str = "") -> status_pb2.Status:
    """Return the status that says why no decision was made."""
    known = describe(error.code)
    metadata = {"next_step": known.next_step} if known is not None else {}
    if decision_id:
        metadata["decision_id"] = decision_id
    info = error_details_pb2.ErrorInfo(reason=error.code, domain=DOMAIN, metadata=metadata)
    detail = any_pb2.Any()
    detail.Pack(info)
    return status_pb2.Status(code=code_pb2.Code.Value(error.status), message=error.message, details=[detail])


def grpc_status(error: NoDecision) -> grpc.Status:
    """Return the status as gRPC sends it."""
    return rpc_status.to_status(status(error))


def as_error(refusal: Refused) -> NoDecision:
    """Return the error for a method that has no decision to put a refusal into."""
    return NoDecision("PERMISSION_DENIED", refusal.code, refusal.message)


def internal(incident: str) -> NoDecision:
    """Return the error for a defect; the log holds its stack trace under ``incident``."""
    return NoDecision(
        "INTERNAL", "internal", f"internal error; the sidecar's log has details under {incident}"
    )


def malformed() -> NoDecision:
    """Return the error for bytes that are no message of this API."""
    return NoDecision("INVALID_ARGUMENT", "request_invalid", "the bytes are no message of tabard.authz.v1")
