"""The services that operators call, on a socket that agents can't reach."""

from __future__ import annotations

from dataclasses import dataclass

from tabard.authz.v1 import approval_service_pb2 as approval_pb
from tabard.authz.v1 import approval_service_pb2_grpc as approval_grpc
from tabard.authz.v1 import revocation_service_pb2 as revocation_pb
from tabard.authz.v1 import revocation_service_pb2_grpc as revocation_grpc

from tabard_sidecar.server import errors
from tabard_sidecar.server.edge import Context, Edge, answering


@dataclass(frozen=True, slots=True)
class ApprovalServicer(approval_grpc.ApprovalServiceServicer):
    """Approvals by people; not available yet."""

    edge: Edge

    @answering
    async def ListApprovals(
        self, request: approval_pb.ListApprovalsRequest, context: Context
    ) -> approval_pb.ListApprovalsResponse:
        """Not available yet."""
        raise errors.unimplemented("ListApprovals")

    @answering
    async def DecideApproval(
        self, request: approval_pb.DecideApprovalRequest, context: Context
    ) -> approval_pb.DecideApprovalResponse:
        """Not available yet."""
        raise errors.unimplemented("DecideApproval")


@dataclass(frozen=True, slots=True)
class RevocationServicer(revocation_grpc.RevocationServiceServicer):
    """Revocation by operators; not available yet."""

    edge: Edge

    @answering
    async def Revoke(
        self, request: revocation_pb.RevokeRequest, context: Context
    ) -> revocation_pb.RevokeResponse:
        """Not available yet."""
        raise errors.unimplemented("Revoke")
