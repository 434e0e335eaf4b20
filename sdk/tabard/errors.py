"""Errors that clients raise.

::

    TabardError
    ├── Denied              a decision was made, and it is no
    │   └── ApprovalRequired    a person has to approve first
    ├── Unavailable         no decision could be made; treat it as no
    └── InvalidRequest      the request itself was wrong

After any of them, don't make the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tabard.codes import ClientCode, ReportedCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import grpc
    from google.rpc.status_pb2 import Status

    from tabard._model import PendingApproval, Reason

APPROVAL_REQUIRED: Final = "approval_required"
ERROR_DOMAIN = "tabard.dev"
_DETAILS_KEY = "grpc-status-details-bin"
_FORBIDDEN = "Permission denied"  # strerror(EACCES), in gRPC's text about a socket


class TabardError(Exception):
    """Base of the errors that clients raise.

    Attributes:
        code: stable lower_snake_case code; docs/reference/errors/ has a page for each of the client's and
            of the sidecar's.
        message: what happened and what to do next, for people. Holds no secret.
        decision_id: identifier in the decision log; empty if no decision was made.
        reasons: the decision's reasons; empty if no decision was made.
    """

    _model_text = "This call could not be authorized. Do not retry it; tell the person."

    def __init__(
        self,
        code: ClientCode | ReportedCode,
        message: str,
        *,
        decision_id: str = "",
        reasons: tuple[Reason, ...] = (),
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.decision_id = decision_id
        self.reasons = reasons

    def __repr__(self) -> str:
        # Frameworks show an exception's repr to the model.
        return f"<{type(self).__name__} {self.code}: {self.for_model()}>"

    def __str__(self) -> str:
        decision = f" (decision {self.decision_id})" if self.decision_id else ""
        return f"{self.code}: {self.message}{decision}"

    def for_model(self) -> str:
        """Return what a language model may be told and can act on: no internals, no other person's data."""
        texts = dict.fromkeys(reason.model_message for reason in self.reasons if reason.model_message)
        return " ".join(texts) or self._model_text


class Denied(TabardError):
    """The decision is no."""

    _model_text = "You are not authorized to do this. Do not retry the same call. Continue without it, or ask the person."


class ApprovalRequired(Denied):
    """The decision is no until a person approves.

    Attributes:
        approvals: approvals that the call waits for; empty if no approver could be asked.
        code: ``"approval_required"``; after waiting also ``"approval_denied"`` (a person refused) or
            ``"approval_expired"`` (no approver decided in time).
    """

    _model_text = "A person has to approve this call first. Tell them what you want to do and why."

    def __init__(
        self,
        code: ClientCode | ReportedCode,
        message: str,
        *,
        decision_id: str = "",
        reasons: tuple[Reason, ...] = (),
        approvals: tuple[PendingApproval, ...] = (),
    ) -> None:
        super().__init__(code, message, decision_id=decision_id, reasons=reasons)
        self.approvals = approvals

    def summary(self) -> dict[str, Any]:
        """Return what may be shown and stored until the person has decided, as JSON values; it holds no secret."""
        return {
            "message": self.for_model(),
            "decision_id": self.decision_id,
            "approvals": [
                {
                    "approval_id": pending.approval_id,
                    "code": pending.code,
                    "module": pending.module,
                    "expires_at": pending.expires_at,
                    "group_id": pending.group_id,
                }
                for pending in self.approvals
            ],
        }


class Unavailable(TabardError):
    """No decision could be made. Nothing was allowed."""

    _model_text = "No decision could be made now. You may retry once after a short wait."


class InvalidRequest(TabardError):
    """The request was malformed, or named something that doesn't exist. Repeating it doesn't help."""

    _model_text = "The call was malformed. Correct its arguments and try again."


def from_rpc(error: grpc.RpcError, address: str) -> TabardError:
    """Turn a failed RPC, sync or asyncio, into the error to raise."""
    status = error.code().name
    details = error.details() or ""
    info = _error_info(error.trailing_metadata() or ())
    return from_status(status, details, *info, address=address)


def from_status(
    status: str, details: str, reason: str, metadata: Mapping[str, str] | None = None, *, address: str = ""
) -> TabardError:
    """Turn the name of a gRPC status, its text and the reason of its ErrorInfo into the error to raise."""
    next_step = (metadata or {}).get("next_step", "")
    message = f"{details.rstrip('.')}. {next_step}".strip() if next_step else details
    if reason:
        kind = Unavailable if reason in _NOT_THE_CALLERS else _KINDS.get(status, Unavailable)
        return kind(ReportedCode(reason), message)
    if status == "UNAVAILABLE":
        return Unavailable("sidecar_unreachable", _unreachable(address, details))
    if status == "DEADLINE_EXCEEDED":
        text = f"The sidecar at {address} didn't answer in time. Check its load with `tabard health`."
        return Unavailable("deadline_exceeded", text)
    if status == "RESOURCE_EXHAUSTED" and "larger than max" in details:
        text = "the request is larger than a sidecar accepts (4 MiB); send smaller arguments, or a reference"
        return InvalidRequest("request_too_large", text)
    if status == "UNIMPLEMENTED":
        return InvalidRequest("unimplemented", message or "the sidecar doesn't offer this method")
    return _KINDS.get(status, Unavailable)("rpc_failed", f"gRPC status {status}: {message or 'no details'}")


def _unreachable(address: str, details: str) -> str:
    if _FORBIDDEN in details:
        return (
            f"This user may not open the socket {address}. Run as a user who may, give the socket's folder a group that "
            f"this user is in (in Kubernetes fsGroup), or set TABARD_ADDRESS. ({details})"
        )
    return (
        f"No sidecar answers at {address}: is the sidecar running? "
        f"Start it with `tabard serve`, or set TABARD_ADDRESS. ({details})"
    )


# Nothing is wrong with the request, whatever the status.
_NOT_THE_CALLERS = frozenset(
    {
        "request_in_progress",
        "vault_refused",
        "vault_reply_invalid",
        "exchange_refused",
        "exchange_reply_invalid",
    }
)
_KINDS: dict[str, type[TabardError]] = {
    "INVALID_ARGUMENT": InvalidRequest,
    "ABORTED": InvalidRequest,
    "ALREADY_EXISTS": InvalidRequest,
    "FAILED_PRECONDITION": InvalidRequest,
    "NOT_FOUND": InvalidRequest,
    "OUT_OF_RANGE": InvalidRequest,
    "UNIMPLEMENTED": InvalidRequest,
    "PERMISSION_DENIED": Denied,
    "UNAUTHENTICATED": Denied,
}


def _error_info(trailing: Iterable[Any]) -> tuple[str, dict[str, str]]:
    from google.protobuf.message import DecodeError  # noqa: PLC0415  # only failed calls pay for these imports
    from google.rpc import status_pb2  # noqa: PLC0415

    for key, value in trailing:
        if key == _DETAILS_KEY:
            try:
                return error_info(status_pb2.Status.FromString(value))
            except DecodeError:
                break
    return "", {}


def error_info(status: Status) -> tuple[str, dict[str, str]]:
    """Return reason and metadata of the ErrorInfo in a status that is in Tabard's domain, or nothing."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415
    from google.rpc import error_details_pb2  # noqa: PLC0415

    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        try:
            found = detail.Unpack(info)
        except DecodeError:
            continue
        if found and info.domain == ERROR_DOMAIN:
            return info.reason, dict(info.metadata)
    return "", {}
