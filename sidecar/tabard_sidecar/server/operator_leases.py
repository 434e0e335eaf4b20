"""Implements the operators' gRPC service for leases, on a socket that agents can't reach."""

from __future__ import annotations

import re
from typing import ClassVar

from tabard.authz.v1 import lease_operator_service_pb2 as lease_pb
from tabard.authz.v1 import lease_operator_service_pb2_grpc as lease_grpc
from tabard.authz.v1 import types_pb2 as types_pb

from tabard_sidecar.revocation import LeaseViews
from tabard_sidecar.revocation.lease_views import ShownLease
from tabard_sidecar.revocation.targets import subject_of
from tabard_sidecar.server import convert_operator as convert
from tabard_sidecar.server.convert import bounded, invalid, timestamp
from tabard_sidecar.server.edge import Context, Edge, answering
from tabard_sidecar.state.leases import EXCHANGE, LeaseFilter
from tabard_sidecar.util.lean import dataclass

_TOKEN = re.compile(r"[\w.:-]{1,256}", re.ASCII)


@dataclass(frozen=True, slots=True)
class LeaseOperatorServicer(lease_grpc.LeaseOperatorServiceServicer):
    """Shows leases to operators."""

    OPERATORS: ClassVar = True

    lease_views: LeaseViews
    edge: Edge

    @answering
    async def ListLeases(
        self, request: lease_pb.ListLeasesRequest, context: Context
    ) -> lease_pb.ListLeasesResponse:
        """List the zone's leases."""
        if request.page_token and not _TOKEN.fullmatch(request.page_token):
            raise invalid("page_token isn't one that was answered")
        wanted = LeaseFilter(
            task_id=bounded(request.task_id, "task_id", convert.MAX_TASK_ID_BYTES),
            source=bounded(request.source, "source", convert.MAX_ID_BYTES),
            holder=bounded(request.holder, "holder", convert.MAX_ID_BYTES),
        )
        found, after = await self.lease_views.leases(
            limit=convert.limit(request.limit), wanted=wanted, after=request.page_token
        )
        return lease_pb.ListLeasesResponse(leases=[_message(shown) for shown in found], next_page_token=after)


def _message(shown: ShownLease) -> lease_pb.Lease:
    lease = shown.lease
    issuer, subject_id = subject_of(lease.subject)
    return lease_pb.Lease(
        credential_id=lease.lease_id,
        source=lease.source,
        role=lease.role,
        # A sealed token is of no use to operators.
        accessor="" if lease.source.startswith(EXCHANGE) else lease.accessor,
        task_id=lease.task_id,
        link_id=lease.link_id,
        holder=lease.holder,
        subject=types_pb.Subject(issuer=issuer, id=subject_id),
        issue_time=timestamp(lease.created_at),
        expire_time=timestamp(lease.expires_at),
        ending=shown.ending,
    )
