"""Calls the service for approvals on behalf of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tabard.authz.v1 import approval_service_pb2 as pb
    from tabard.authz.v1 import approval_service_pb2_grpc as pb_grpc

    from tabard_sidecar.operating.operator import Operator


def fetch(asked: Operator, *, decided: bool, page: str = "", **filters: str) -> pb.ListApprovalsResponse:
    """Return a page of the pending approvals and, with ``decided``, of those that were decided.

    Raises:
        Failure: no sidecar answered.
    """
    from tabard.authz.v1 import approval_service_pb2 as pb  # noqa: PLC0415 - gRPC takes a while to import

    request = pb.ListApprovalsRequest(include_decided=decided, page_token=page, **filters)
    return asked.call(stub(asked).ListApprovals, request)


def fetch_all(asked: Operator) -> list[pb.Approval]:
    """Return all approvals, pending or decided.

    Raises:
        Failure: no sidecar answered.
    """
    from tabard.authz.v1 import approval_service_pb2 as pb  # noqa: PLC0415

    pages = asked.pages(stub(asked).ListApprovals, pb.ListApprovalsRequest(include_decided=True))
    return [approval for page in pages for approval in page.approvals]


def details(asked: Operator, approval_id: str) -> pb.Approval:
    """Return one call in full.

    Raises:
        Failure: there is no such approval, or no sidecar answered.
    """
    from tabard.authz.v1 import approval_service_pb2 as pb  # noqa: PLC0415

    request = pb.GetApprovalDetailsRequest(approval_id=approval_id)
    return asked.call(stub(asked).GetApprovalDetails, request).approval


def fetch_group(asked: Operator, group_id: str, *, decided: bool = False) -> list[pb.Approval]:
    """Return the calls of a group in full that wait and, with ``decided``, those that were decided.

    Raises:
        Failure: there are none, or no sidecar answered.
    """
    from tabard.authz.v1 import approval_service_pb2 as pb  # noqa: PLC0415

    request = pb.GetApprovalGroupRequest(group_id=group_id, include_decided=decided)
    return list(asked.call(stub(asked).GetApprovalGroup, request).approvals)


def stub(asked: Operator) -> pb_grpc.ApprovalServiceStub:
    """Return the service's stub."""
    from tabard.authz.v1 import approval_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    return pb_grpc.ApprovalServiceStub(asked.channel)
