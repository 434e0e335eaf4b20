"""Converts messages to requests and decisions to messages: the only place that knows both.

Everything that comes from a caller is bounded and checked here; what is malformed is INVALID_ARGUMENT.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tabard.arguments import MAX_BYTES as MAX_ARGUMENTS_BYTES
from tabard.arguments import ArgumentsError
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import task_service_pb2 as task_pb
from tabard.authz.v1 import types_pb2 as types_pb
from tabard.caveats import CaveatError, Limits
from tabard.caveats.wire import limits_from_proto

from tabard_sidecar.approvals import ApprovalAnswer, ApprovalState
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.model import Decision, IntentSource, IssuedCredential, VerifiedGrant
from tabard_sidecar.pipeline.outcomes import MAX_LABELS
from tabard_sidecar.pipeline.requests import (
    AuthorizeRequest,
    DelegateTaskRequest,
    ReportOutcomeRequest,
    StartTaskRequest,
)
from tabard_sidecar.server import telling
from tabard_sidecar.util.jsontext import encode

MAX_GRANT_BYTES = 64 * 1024
MAX_NAME_BYTES = 256
MAX_TOKEN_BYTES = 16 * 1024
MAX_PURPOSE_BYTES = 256
MAX_STATEMENT_BYTES = 4 * 1024
MAX_REQUEST_ID_BYTES = 128
MAX_ZONE_BYTES = 64
MAX_CONTEXT_BYTES = 16 * 1024
MAX_SCOPES = 100
MAX_HOLDER_BYTES = 2048
MAX_DISCHARGES = 16

_INTENT_SOURCES = {
    IntentSource.SIGNED: types_pb.INTENT_SOURCE_SIGNED,
    IntentSource.ASSERTED: types_pb.INTENT_SOURCE_ASSERTED,
}


def invalid(message: str) -> NoDecision:
    """Return the error for a malformed request; ``message`` names the field."""
    return NoDecision("INVALID_ARGUMENT", "request_invalid", message, told=message)


def bounded(value: str, field: str, most: int, *, required: bool = False) -> str:
    """Return ``value`` if it is at most ``most`` bytes long.

    Raises:
        NoDecision: it is longer, or missing though required.
    """
    if required and not value:
        raise invalid(f"{field} is required")
    length = len(value)
    # A character takes four bytes at most, so usually they needn't be counted.
    if length > most or (4 * length > most and len(value.encode()) > most):
        raise invalid(f"{field} is larger than {most} bytes")
    return value


def authorize_request(
    request: authorization_pb.AuthorizeRequest, default_grant: str = ""
) -> AuthorizeRequest:
    """Check one request.

    Raises:
        NoDecision: a field is missing, too large or malformed.
    """
    if len(request.scopes) > MAX_SCOPES:
        raise invalid(f"scopes has more than {MAX_SCOPES} entries")
    if len(request.discharges) > MAX_DISCHARGES:
        raise invalid(f"discharges has more than {MAX_DISCHARGES} entries")
    tool = request.tool
    return AuthorizeRequest(
        grant=bounded(request.grant or default_grant, "grant", MAX_GRANT_BYTES),
        tool=bounded(tool.name, "tool.name", MAX_NAME_BYTES, required=True),
        server=bounded(tool.server, "tool.server", MAX_NAME_BYTES),
        arguments_json=_at_most(tool.arguments_json, "tool.arguments_json", MAX_ARGUMENTS_BYTES),
        context_json=_at_most(request.context_json, "context_json", MAX_CONTEXT_BYTES),
        scopes=tuple([bounded(scope, "scopes", MAX_NAME_BYTES, required=True) for scope in request.scopes]),
        discharges=tuple([bounded(d, "discharges", MAX_GRANT_BYTES) for d in request.discharges]),
        request_id=bounded(request.request_id, "request_id", MAX_REQUEST_ID_BYTES),
        body_digest=partial(body_digest, request),
    )


def start_request(request: task_pb.StartTaskRequest) -> StartTaskRequest:
    """Check one request.

    Raises:
        NoDecision: a field is too large or malformed.
    """
    request_id = bounded(request.request_id, "request_id", MAX_REQUEST_ID_BYTES)
    return StartTaskRequest(
        # Too long a token is refused by the verifiers, with a reason of their own.
        subject_token=bounded(request.subject_token, "subject_token", 4 * MAX_TOKEN_BYTES),
        intent_token=bounded(request.intent_token, "intent_token", 4 * MAX_TOKEN_BYTES),
        purpose=bounded(request.purpose, "purpose", MAX_PURPOSE_BYTES),
        statement=bounded(request.statement, "statement", MAX_STATEMENT_BYTES),
        limits=limits(request.limits),
        request_id=request_id,
        body_digest=body_digest(request) if request_id else b"",
    )


def delegate_request(request: task_pb.DelegateTaskRequest) -> DelegateTaskRequest:
    """Check one request.

    Raises:
        NoDecision: a field is missing, too large or malformed.
    """
    return DelegateTaskRequest(
        grant=bounded(request.grant, "grant", MAX_GRANT_BYTES),
        holder=bounded(request.holder, "holder", MAX_HOLDER_BYTES, required=True),
        limits=limits(request.limits),
        zone=bounded(request.zone, "zone", MAX_ZONE_BYTES),
    )


def outcome_request(request: authorization_pb.ReportOutcomeRequest) -> ReportOutcomeRequest:
    """Check one report.

    Raises:
        NoDecision: a field is missing, too large or malformed.
    """
    if len(request.labels) > MAX_LABELS or len(request.charges) > MAX_LABELS:
        raise invalid(f"labels and charges have at most {MAX_LABELS} entries")
    if any(amount < 0 for amount in request.charges.values()):
        raise invalid("charges must not be negative: only what the backend signed can give a charge back")
    return ReportOutcomeRequest(
        grant=bounded(request.grant, "grant", MAX_GRANT_BYTES, required=True),
        decision_id=bounded(request.decision_id, "decision_id", MAX_REQUEST_ID_BYTES, required=True),
        charges={
            bounded(name, "charges", MAX_NAME_BYTES): amount for name, amount in request.charges.items()
        },
        labels=tuple(bounded(label, "labels", MAX_NAME_BYTES, required=True) for label in request.labels),
        signed_outcome=bounded(request.signed_outcome, "signed_outcome", MAX_TOKEN_BYTES),
        succeeded=request.succeeded,
    )


def limits(message: types_pb.Limits) -> Limits:
    """Read limits.

    Raises:
        NoDecision: an operand is malformed.
    """
    try:
        return limits_from_proto(message)
    except (CaveatError, ArgumentsError) as error:
        raise invalid(f"limits: {error}") from error


def body_digest(request: Message) -> bytes:
    """Return the SHA-256 of a request without its request_id."""
    copy = type(request)()
    copy.CopyFrom(request)
    copy.ClearField("request_id")
    return hashlib.sha256(copy.SerializeToString(deterministic=True)).digest()


def _at_most(raw: bytes, field: str, most: int) -> bytes:
    if len(raw) > most:
        raise invalid(f"{field} is larger than {most} bytes")
    return raw


def timestamp(seconds: float) -> Timestamp:
    """Return a time as protobuf has it."""
    message = Timestamp()
    _write_time(message, seconds)
    return message


def _write_time(message: Timestamp, seconds: float) -> None:
    whole = int(seconds // 1)
    message.seconds, message.nanos = whole, int((seconds - whole) * 1e9)


def write_decision(message: types_pb.Decision, decision: Decision, shown: Callable[[str], str]) -> None:
    """Write a decision as callers get it; ``shown`` returns what they get of the policy's revision.

    Into its place in the response, because a message that is put into another one is copied.
    """
    message.decision_id = decision.decision_id
    message.effect = types_pb.EFFECT_ALLOW if decision.allowed else types_pb.EFFECT_DENY
    message.policy_revision = shown(decision.policy_revision)
    message.reusable = decision.reusable
    for reason in decision.reasons:
        telling.write_reason(message.reasons.add(), reason)
    if decision.credential is not None:
        _write_credential(message.credential, decision.credential)
    for pending in decision.approvals:
        message.approvals.add(
            approval_id=pending.approval_id,
            code=pending.code,
            module=pending.module,
            call_grant=pending.call_grant,
            expire_time=timestamp(pending.expires_at),
            group_id=pending.group_id,
        )
    for obligation in decision.obligations:
        message.obligations.add(id=obligation.id, properties_json=encode(dict(obligation.properties)))


def _write_credential(message: types_pb.Credential, credential: IssuedCredential) -> None:
    message.kind = credential.kind
    message.value = credential.value
    message.credential_id = credential.credential_id
    message.audience = credential.audience
    message.scopes.extend(credential.scopes)
    _write_time(message.expire_time, credential.expires_at)
    message.single_use = credential.uses == 1
    message.uses = credential.uses
    if credential.fields:
        message.fields.update(credential.fields)


_APPROVAL_STATUS = {
    ApprovalState.PENDING: types_pb.APPROVAL_STATUS_PENDING,
    ApprovalState.APPROVED: types_pb.APPROVAL_STATUS_APPROVED,
    ApprovalState.DENIED: types_pb.APPROVAL_STATUS_DENIED,
    ApprovalState.EXPIRED: types_pb.APPROVAL_STATUS_EXPIRED,
}


def approval_message(answer: ApprovalAnswer) -> authorization_pb.GetApprovalResponse:
    """Return how an approval stands as agents get it."""
    message = authorization_pb.GetApprovalResponse(
        status=_APPROVAL_STATUS[answer.state], discharge=answer.discharge
    )
    if answer.expires_at:
        message.expire_time.CopyFrom(timestamp(answer.expires_at))
    return message


def task_message(grant: VerifiedGrant, *, ended: bool = False) -> types_pb.Task:
    """Return the task of a grant as its holder may see it."""
    task = grant.task
    return types_pb.Task(
        task_id=task.id,
        subject=types_pb.Subject(id=grant.subject.id, issuer=grant.subject.issuer),
        purpose=task.purpose,
        statement=task.statement,
        intent_source=_INTENT_SOURCES[task.intent_source],
        start_time=timestamp(task.started_at),
        expire_time=timestamp(grant.expires_at),
        chain=[
            types_pb.ChainLink(holder=link.holder, sub_agent=link.sub_agent, link_id=link.link_id)
            for link in grant.links
        ],
        ended=ended,
    )


def tool_refs(pairs: Sequence[tuple[str, str]]) -> list[authorization_pb.ToolRef]:
    """Return names of tools as messages."""
    return [authorization_pb.ToolRef(name=name, server=server) for name, server in pairs]
