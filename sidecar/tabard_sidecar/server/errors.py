"""Errors as callers get them: a gRPC status with ``google.rpc.ErrorInfo`` (AIP-193)."""

from __future__ import annotations

import logging

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.reasons import describe
from tabard_sidecar.server.telling import error_message
from tabard_sidecar.util.ids import new_id

DOMAIN = "tabard.dev"

_log = logging.getLogger(__name__)


def status(error: NoDecision, *, details: bool = False) -> status_pb2.Status:
    """Return the status that says why no decision was made; with ``details`` as operators may read it."""
    known = describe(error.code)
    metadata = {"next_step": known.next_step} if known is not None else {}
    info = error_details_pb2.ErrorInfo(reason=error.code, domain=DOMAIN, metadata=metadata)
    detail = any_pb2.Any()
    detail.Pack(info)
    message = error.message if details else error_message(error)
    return status_pb2.Status(code=code_pb2.Code.Value(error.status), message=message, details=[detail])


def grpc_status(error: NoDecision, *, details: bool = False) -> grpc.Status:
    """Return the status as gRPC sends it."""
    return rpc_status.to_status(status(error, details=details))


def as_error(refusal: Refused) -> NoDecision:
    """Return the error for a method that has no decision to put a refusal into."""
    return NoDecision("PERMISSION_DENIED", refusal.code, refusal.message)


def unexpected(error: Exception) -> NoDecision:
    """Log a defect with its stack trace, and return the error that names the line of the log."""
    incident = new_id()
    _log.error("internal_error", exc_info=error, extra={"incident": incident})
    text = f"internal error; the sidecar's log has details under {incident}"
    return NoDecision("INTERNAL", "internal", text, told=text)


def malformed() -> NoDecision:
    """Return the error for bytes that are no message of this API."""
    text = "the bytes are no message of tabard.authz.v1"
    return NoDecision("INVALID_ARGUMENT", "request_invalid", text, told=text)
