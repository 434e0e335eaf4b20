"""Types of the codes that errors and reasons carry."""

from __future__ import annotations

from typing import Literal, NewType, get_args

ClientCode = Literal[
    # Connecting and calling
    "address_invalid",
    "timeout_invalid",
    "obligations_invalid",
    "client_closed",
    "forked",
    "sidecar_unreachable",
    "deadline_exceeded",
    "unimplemented",
    "rpc_failed",
    # Requests
    "request_invalid",
    "arguments_invalid",
    "scopes_invalid",
    "limits_invalid",
    "grant_malformed",
    "request_too_large",
    "batch_too_large",
    # Answers
    "batch_mismatch",
    "stream_mismatch",
    "stream_ended",
    "effect_unknown",
    "reason_missing",
    "obligation_unknown",
    "no_credential",
    "credential_missing",
    # Approvals
    "approval_required",
    "approval_denied",
    "approval_expired",
    # Tasks and guards
    "no_current_task",
    "no_current_call",
    "task_in_generator",
    "task_left_elsewhere",
]
"""A code that the client itself gives; each has a page under docs/reference/errors/."""

CLIENT_CODES: frozenset[str] = frozenset(get_args(ClientCode))

ReportedCode = NewType("ReportedCode", str)
"""A code that the sidecar reported: its own, or one that a policy's rule gave."""
