"""Implements the gRPC service for deciding approvals, on a socket that agents can't reach."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, ClassVar, TypeVar

from google.protobuf.duration_pb2 import Duration
from tabard.authz.v1 import approval_service_pb2 as approval_pb
from tabard.authz.v1 import approval_service_pb2_grpc as approval_grpc
from tabard.authz.v1 import types_pb2 as types_pb

from tabard_sidecar.approvals import ApprovalDecider, ApprovalView
from tabard_sidecar.approvals.conf import MAX_GROUP
from tabard_sidecar.approvals.listing import Selection
from tabard_sidecar.approvals.prompt import Prompt
from tabard_sidecar.errors import NoDecision, Refused, StatusName
from tabard_sidecar.reasons import ReasonCode
from tabard_sidecar.server import convert
from tabard_sidecar.server.edge import Context, Edge, answering
from tabard_sidecar.server.operator_changes import OperatorChanges
from tabard_sidecar.state import ApprovalStatus
from tabard_sidecar.util.lean import dataclass

_MAX_ID_BYTES = 64
_MAX_TOKEN_DIGITS = 6

_STATUSES = {
    ApprovalStatus.PENDING: types_pb.APPROVAL_STATUS_PENDING,
    ApprovalStatus.APPROVED: types_pb.APPROVAL_STATUS_APPROVED,
    ApprovalStatus.DENIED: types_pb.APPROVAL_STATUS_DENIED,
}
# Refusals that aren't about the approver.
_STATES: Mapping[ReasonCode, StatusName] = {
    "approval_unknown": "NOT_FOUND",
    "approval_decided": "FAILED_PRECONDITION",
    "approval_unreadable": "FAILED_PRECONDITION",
    "approval_group_changed": "FAILED_PRECONDITION",
    "task_ended": "FAILED_PRECONDITION",
}
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class ApprovalServicer(approval_grpc.ApprovalServiceServicer):
    """Lists approvals and takes approvers' decisions."""

    OPERATORS: ClassVar = True

    decider: ApprovalDecider
    edge: Edge
    changes: OperatorChanges

    @answering
    async def ListApprovals(
        self, request: approval_pb.ListApprovalsRequest, context: Context
    ) -> approval_pb.ListApprovalsResponse:
        """List approvals, without arguments."""
        selection = Selection(
            pending_only=not request.include_decided,
            task_id=convert.bounded(request.task_id, "task_id", convert.MAX_NAME_BYTES),
            subject_id=convert.bounded(request.subject_id, "subject_id", convert.MAX_HOLDER_BYTES),
            workload=convert.bounded(request.agent, "agent", convert.MAX_HOLDER_BYTES),
            offset=_offset(request.page_token),
        )
        views, total = await self.decider.list_approvals(selection)
        end = selection.offset + len(views)
        return approval_pb.ListApprovalsResponse(
            approvals=[approval_message(view, arguments=False) for view in views],
            truncated=end < total,
            next_page_token=str(end) if end < total else "",
            total_size=total,
        )

    @answering
    async def GetApprovalDetails(
        self, request: approval_pb.GetApprovalDetailsRequest, context: Context
    ) -> approval_pb.GetApprovalDetailsResponse:
        """Show one approval with the call's arguments."""
        view = await _found(self.decider.get_approval(_approval_id(request.approval_id)))
        return approval_pb.GetApprovalDetailsResponse(approval=approval_message(view, arguments=True))

    @answering
    async def DecideApproval(
        self, request: approval_pb.DecideApprovalRequest, context: Context
    ) -> approval_pb.DecideApprovalResponse:
        """Approve or deny one call."""
        token = convert.bounded(request.approver_token, "approver_token", 4 * convert.MAX_TOKEN_BYTES)
        approval_id = _approval_id(request.approval_id)
        view = await self.changes.make(
            "decide_approval",
            context,
            about={"approval_id": approval_id, "approve": request.approve},
            work=lambda: _found(self.decider.decide(approval_id, token, approve=request.approve)),
            told=_told,
            gives=request.approve,
        )
        return approval_pb.DecideApprovalResponse(approval=approval_message(view, arguments=False))

    @answering
    async def GetApprovalGroup(
        self, request: approval_pb.GetApprovalGroupRequest, context: Context
    ) -> approval_pb.GetApprovalGroupResponse:
        """Show the calls of a group with their arguments."""
        group_id = _group_id(request.group_id)
        views = await _found(self.decider.get_group(group_id, decided=request.include_decided))
        return approval_pb.GetApprovalGroupResponse(
            approvals=[approval_message(view, arguments=True) for view in views]
        )

    @answering
    async def DecideApprovalGroup(
        self, request: approval_pb.DecideApprovalGroupRequest, context: Context
    ) -> approval_pb.DecideApprovalGroupResponse:
        """Approve or deny every call of a group that waits."""
        token = convert.bounded(request.approver_token, "approver_token", 4 * convert.MAX_TOKEN_BYTES)
        group_id, verdicts = _group_id(request.group_id), _verdicts(request)
        views = await self.changes.make_each(
            "decide_approval",
            context,
            about=[
                {"approval_id": approval_id, "approve": approve, "group_id": group_id}
                for approval_id, approve in verdicts.items()
            ],
            work=lambda: _found(self.decider.decide_group(group_id, token, verdicts)),
            told=_told,
            gives=list(verdicts.values()),
        )
        return approval_pb.DecideApprovalGroupResponse(
            approvals=[approval_message(view, arguments=False) for view in views]
        )


def _told(view: ApprovalView) -> dict[str, Any]:
    """Return what is recorded of a decision: who decided about which call of which task, by whose rule."""
    approval = view.approval
    issuer, _, person = approval.approver.partition(" ")
    told: dict[str, Any] = {
        "by": {"approver": {"id": person, "issuer": issuer}},
        "approval": approval.status.value,
        "task_id": approval.task_id,
        "reasons": [{"code": approval.code, "module": approval.module, "message": ""}],
        "uses": approval.uses,
    }
    if view.prompt is not None:
        told |= {"tool": view.prompt.tool, "server": view.prompt.server, "agent": view.prompt.agent_id}
    return told


def approval_message(view: ApprovalView, *, arguments: bool) -> approval_pb.Approval:
    """Return an approval as operators see it."""
    approval = view.approval
    message = approval_pb.Approval(
        approval_id=approval.approval_id,
        task_id=approval.task_id,
        create_time=convert.timestamp(approval.created_at),
        expire_time=convert.timestamp(approval.expires_at),
        status=_STATUSES[approval.status],
        unreadable=view.prompt is None,
        module=approval.module,
        code=approval.code,
        uses=approval.uses,
        group_id=approval.group_id,
    )
    if approval.status is not ApprovalStatus.PENDING:
        issuer, _, person = approval.approver.partition(" ")
        message.approver.CopyFrom(types_pb.Subject(issuer=issuer, id=person))
        message.decide_time.CopyFrom(convert.timestamp(approval.decided_at))
    if view.prompt is not None:
        _fill(message, view.prompt, arguments=arguments)
    return message


def _fill(message: approval_pb.Approval, prompt: Prompt, *, arguments: bool) -> None:
    signed = types_pb.INTENT_SOURCE_SIGNED if prompt.signed else types_pb.INTENT_SOURCE_ASSERTED
    message.subject.CopyFrom(types_pb.Subject(id=prompt.subject_id, issuer=prompt.subject_issuer))
    message.purpose = prompt.purpose
    message.statement = prompt.statement
    message.intent_source = signed
    message.root_holder = prompt.root_holder
    message.agent = prompt.agent_id
    message.tool = prompt.tool
    message.server = prompt.server
    message.reason = prompt.reason
    message.approvers.extend(prompt.approvers)
    message.ttl.CopyFrom(_duration(prompt.ttl_seconds))
    for step in prompt.chain:
        message.chain.add(holder=step.holder, sub_agent=step.sub_agent)
    if arguments:
        message.arguments_json = prompt.arguments_json.encode()


def _duration(seconds: float) -> Duration:
    whole = int(seconds)
    return Duration(seconds=whole, nanos=int((seconds - whole) * 1e9))


def _offset(token: str) -> int:
    if token and not (token.isascii() and token.isdecimal() and len(token) <= _MAX_TOKEN_DIGITS):
        raise convert.invalid("page_token isn't one that the sidecar gives")
    return int(token or 0)


def _approval_id(value: str) -> str:
    return convert.bounded(value, "approval_id", _MAX_ID_BYTES, required=True)


def _group_id(value: str) -> str:
    return convert.bounded(value, "group_id", _MAX_ID_BYTES, required=True)


def _verdicts(request: approval_pb.DecideApprovalGroupRequest) -> dict[str, bool]:
    """Return the approvals that a request names, in its order, and whether each is to be approved.

    Raises:
        NoDecision: it names none, too many, or one twice.
    """
    named = [*request.approve_ids, *request.deny_ids]
    if not 1 <= len(named) <= MAX_GROUP:
        raise convert.invalid(f"name between 1 and {MAX_GROUP} approvals in approve_ids and deny_ids")
    for approval_id in named:
        convert.bounded(approval_id, "approve_ids and deny_ids", _MAX_ID_BYTES, required=True)
    if len(set(named)) < len(named):
        raise convert.invalid("approve_ids and deny_ids name an approval twice")
    return {approval_id: number < len(request.approve_ids) for number, approval_id in enumerate(named)}


async def _found(work: Awaitable[_Found]) -> _Found:
    """Translate refusals about the approval itself to gRPC statuses; refusals of the approver pass unchanged."""
    try:
        return await work
    except Refused as refusal:
        status = _STATES.get(refusal.code)
        if status is None:
            raise
        raise NoDecision(status, refusal.code, refusal.message) from None
