"""Converts protobuf messages to the values that clients return, and back. No other module of the client does.

What this version doesn't know becomes a deny: an unknown effect, a missing decision, an obligation that the caller
hasn't said it fulfils.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from grpc import StatusCode

from tabard import _json, errors
from tabard._decision import Decision
from tabard._model import (
    ChainLink,
    Credential,
    Introspection,
    Obligation,
    PendingApproval,
    Reason,
    Subject,
    TaskInfo,
    ToolCall,
    ToolRef,
)
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import credential_service_pb2 as credential_pb
from tabard.authz.v1 import task_service_pb2 as task_pb
from tabard.authz.v1 import types_pb2
from tabard.codes import ReportedCode

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from tabard.caveats import Limits

_ALLOW = types_pb2.EFFECT_ALLOW
_DENY = types_pb2.EFFECT_DENY
_STATUS_NAMES = {code.value[0]: code.name for code in StatusCode}
_EFFECT_UNKNOWN = Reason(
    "effect_unknown", "the sidecar answered neither allow nor deny", next_step="Upgrade the tabard package."
)


def seconds(timestamp: Timestamp) -> float:
    """Return seconds since the epoch; 0.0 for a timestamp that isn't set."""
    return timestamp.seconds + timestamp.nanos / 1e9


_Message = TypeVar("_Message")
_UNSENDABLE = (TypeError, ValueError, AttributeError)


def message(kind: Callable[..., _Message], **fields: Any) -> _Message:  # noqa: ANN401  # what the caller passed
    """Return a message of ``kind``.

    Raises:
        InvalidRequest: a field can't be sent: a wrong type, or a lone surrogate in a text.
    """
    try:
        return kind(**fields)
    except _UNSENDABLE:
        raise _unsendable(fields) from None


def scopes(values: Sequence[str]) -> tuple[str, ...]:
    """Return scopes as a tuple.

    Raises:
        InvalidRequest: they are one string.
    """
    if isinstance(values, str):
        raise errors.InvalidRequest("scopes_invalid", "scopes is a sequence of strings, not one string")
    return tuple(values)


def _strings(values: Iterable[str], name: str) -> list[str]:
    if isinstance(values, str):
        raise errors.InvalidRequest("request_invalid", f"{name} is a sequence of strings, not one string")
    return list(values)


def _unsendable(fields: Mapping[str, Any]) -> errors.InvalidRequest:
    found = ", ".join(name for name, value in fields.items() if _has_surrogate(value))
    if found:
        return errors.InvalidRequest("request_invalid", f"{found}: holds a lone surrogate, which isn't text")
    # The error's own text may quote a secret.
    types = ", ".join(f"{name} ({type(value).__name__})" for name, value in fields.items())
    text = f"one of these has a value that can't be sent: {types}"
    return errors.InvalidRequest("request_invalid", text)


def _has_surrogate(value: object) -> bool:
    values = value if isinstance(value, list | tuple) else (value,)
    try:
        "".join(str(item) for item in values).encode()
    except UnicodeEncodeError:
        return True
    return False


def call_message(
    grant: str, call: ToolCall, discharges: Sequence[str] = ()
) -> authorization_pb.AuthorizeRequest:
    """Return the request to authorize one call.

    Raises:
        InvalidRequest: its arguments or context have no exact JSON form.
    """
    arguments = _json.encode(call.arguments)
    context = _json.encode(call.context) if call.context else b""
    asked, given = scopes(call.scopes), _strings(discharges, "discharges") if discharges else ()
    try:
        return authorization_pb.AuthorizeRequest(
            grant=grant,
            tool=types_pb2.ToolCall(name=call.name, server=call.server, arguments_json=arguments),
            scopes=asked,
            context_json=context,
            request_id=call.request_id,
            discharges=given,
        )
    except _UNSENDABLE:
        fields = {"name": call.name, "server": call.server, "scopes": asked, "discharges": given}
        raise _unsendable(fields | {"grant": grant, "request_id": call.request_id}) from None


def renew_message(
    grant: str, credential: Credential, arguments: Mapping[str, Any]
) -> credential_pb.RenewCredentialRequest:
    """Return the request to renew a credential.

    Raises:
        InvalidRequest: the arguments have no exact JSON form.
    """
    return message(
        credential_pb.RenewCredentialRequest,
        grant=grant,
        credential=credential.value,
        arguments_json=_json.encode(arguments),
    )


def outcome_message(  # noqa: PLR0913, PLR0917  # the parts of an outcome
    grant: str,
    decision_id: str,
    succeeded: bool,
    charges: Mapping[str, int],
    labels: Iterable[str],
    signed_outcome: str,
) -> authorization_pb.ReportOutcomeRequest:
    """Return the report of a call's outcome; the call ends now."""
    request = message(
        authorization_pb.ReportOutcomeRequest,
        grant=grant,
        decision_id=decision_id,
        succeeded=succeeded,
        charges=dict(charges),
        labels=_strings(labels, "labels"),
        signed_outcome=signed_outcome,
    )
    request.end_time.GetCurrentTime()
    return request


def decision(message: types_pb2.Decision, understood: frozenset[str]) -> Decision:
    """Return a decision; it allows only if everything in it is understood."""
    allowed = message.effect == _ALLOW
    reasons = tuple(
        [
            Reason(ReportedCode(item.code), item.message, item.model_message, item.module, item.next_step)
            for item in message.reasons
        ]
    )
    obligations: tuple[Obligation, ...] = ()
    if not allowed and message.effect != _DENY:
        reasons = (_EFFECT_UNKNOWN, *reasons)
    if allowed and message.obligations:
        obligations, objections = _obligations(message.obligations, understood)
        if objections:
            allowed, obligations, reasons = False, (), (*objections, *reasons)
    return Decision(
        message.decision_id,
        allowed,
        reasons,
        _credential(message.credential) if allowed and message.HasField("credential") else None,
        obligations,
        message.policy_revision,
        allowed and message.reusable,
        approvals=() if allowed else tuple(map(_pending, message.approvals)),
    )


def result(message: authorization_pb.AuthorizeResult, understood: frozenset[str]) -> Decision:
    """Return one item of a batch or stream; an error becomes a decision that doesn't allow."""
    which = message.WhichOneof("result")
    if which == "decision":
        return decision(message.decision, understood)
    if which is None:
        return Decision("", allowed=False, reasons=(_EFFECT_UNKNOWN,))
    status = message.error
    name = _STATUS_NAMES.get(status.code, "UNKNOWN")
    reason, metadata = errors.error_info(status)
    error = errors.from_status(name, status.message, reason, metadata)
    return Decision("", allowed=False, reasons=(Reason(error.code, error.message),), error=error)


def task(message: types_pb2.Task) -> TaskInfo:
    """Return a task. Its intent is ``signed`` only if the message says so; every other value means ``asserted``."""
    signed = message.intent_source == types_pb2.INTENT_SOURCE_SIGNED
    return TaskInfo(
        task_id=message.task_id,
        subject=Subject(message.subject.id, message.subject.issuer),
        purpose=message.purpose,
        statement=message.statement,
        intent_source="signed" if signed else "asserted",
        started_at=seconds(message.start_time),
        expires_at=seconds(message.expire_time),
        chain=tuple(ChainLink(link.holder, link.sub_agent, link.link_id) for link in message.chain),
        ended=message.ended,
    )


def introspection(message: credential_pb.IntrospectCredentialResponse) -> Introspection:
    """Return the state of a credential."""
    if not message.active:
        return Introspection(active=False)
    return Introspection(
        active=True,
        credential_id=message.credential_id,
        audience=message.audience,
        scopes=tuple(message.scopes),
        expires_at=seconds(message.expire_time),
        subject=Subject(message.subject.id, message.subject.issuer) if message.HasField("subject") else None,
        tool=message.tool,
    )


def filter_message(grant: str, tools: Iterable[str | ToolRef]) -> authorization_pb.FilterToolsRequest:
    """Return the request to filter ``tools``.

    Raises:
        InvalidRequest: ``tools`` is one string, or a name can't be sent.
    """
    if isinstance(tools, str):
        text = f"tools is a sequence of names, not one string; pass [{tools!a}]"
        raise errors.InvalidRequest("request_invalid", text)
    refs = [ToolRef(tool) if isinstance(tool, str) else tool for tool in tools]
    return message(
        authorization_pb.FilterToolsRequest,
        grant=grant,
        tools=[message(authorization_pb.ToolRef, name=ref.name, server=ref.server) for ref in refs],
    )


def start_message(  # noqa: PLR0913, PLR0917  # the fields of the message
    subject_token: str,
    intent_token: str,
    purpose: str,
    statement: str,
    limits: Limits | None,
    request_id: str,
) -> task_pb.StartTaskRequest:
    """Return the request that starts a task.

    Raises:
        InvalidRequest: a field can't be sent.
    """
    return message(
        task_pb.StartTaskRequest,
        subject_token=subject_token,
        intent_token=intent_token,
        purpose=purpose,
        statement=statement,
        limits=None if limits is None else limits_message(limits),
        request_id=request_id,
    )


def limits_message(limits: Limits) -> types_pb2.Limits:
    """Return limits as a message. An absent list stays absent, an empty one stays empty.

    Raises:
        InvalidRequest: they aren't a :class:`tabard.Limits`, or hold budgets, which only policy can grant.
    """
    from tabard.caveats import Limits  # noqa: PLC0415  # most programs never delegate
    from tabard.caveats.wire import limits_to_proto  # noqa: PLC0415

    if not isinstance(limits, Limits):
        raise errors.InvalidRequest("limits_invalid", not_limits(limits))
    try:
        return limits_to_proto(limits)
    except ValueError as error:
        raise errors.InvalidRequest("limits_invalid", str(error)) from error


def not_limits(value: object) -> str:
    """Return the text for something that was passed in place of limits."""
    return (
        f"limits is a tabard.Limits, not of the type {type(value).__name__}: tabard.Limits(tools=[...], ...)"
    )


def _pending(message: types_pb2.PendingApproval) -> PendingApproval:
    return PendingApproval(
        message.approval_id,
        message.code,
        message.module,
        message.call_grant,
        seconds(message.expire_time),
        message.group_id,
    )


def _credential(message: types_pb2.Credential) -> Credential:
    return Credential(
        message.kind,
        message.value,
        message.credential_id,
        message.audience,
        tuple(message.scopes),
        seconds(message.expire_time),
        message.single_use,
        dict(message.fields) if message.fields else {},
        message.uses,
    )


def _obligations(
    messages: Iterable[types_pb2.Obligation], understood: frozenset[str]
) -> tuple[tuple[Obligation, ...], tuple[Reason, ...]]:
    obligations: list[Obligation] = []
    objections: list[Reason] = []
    for message in messages:
        properties = _object(message.properties_json)
        if message.id not in understood or properties is None:
            text = f"policy demands the obligation {message.id!r}, which this program hasn't said it fulfils"
            step = "Fulfil it and name it in connect(obligations=...), or change the policy."
            objections.append(Reason("obligation_unknown", text, next_step=step))
        else:
            obligations.append(Obligation(message.id, properties))
    return tuple(obligations), tuple(objections)


def _object(data: bytes) -> Mapping[str, Any] | None:
    try:
        value = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
