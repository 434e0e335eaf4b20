"""Fetches and describes leases."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from tabard_sidecar.operating.revocations import seconds

if TYPE_CHECKING:
    from tabard.authz.v1 import lease_operator_service_pb2 as pb

    from tabard_sidecar.operating.operator import Operator


def fetch(asked: Operator, limit: int, **wanted: str) -> list[dict[str, Any]]:
    """Return leases as ``--json`` prints them; times are seconds since the epoch.

    Args:
        asked: the sidecar.
        limit: how many at most.
        wanted: ``task_id``, ``source`` and ``holder`` of the leases; an empty text stands for any.

    Raises:
        Failure: no sidecar answered.
    """
    from tabard.authz.v1 import lease_operator_service_pb2 as pb  # noqa: PLC0415 - gRPC takes a while to import
    from tabard.authz.v1 import lease_operator_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    stub = pb_grpc.LeaseOperatorServiceStub(asked.channel)
    pages = asked.pages(stub.ListLeases, pb.ListLeasesRequest(limit=limit, **wanted))
    return list(islice((describe(lease) for page in pages for lease in page.leases), limit))


def describe(lease: pb.Lease) -> dict[str, Any]:
    """Return a lease as ``--json`` prints it."""
    return {
        "credential_id": lease.credential_id,
        "source": lease.source,
        "role": lease.role,
        "accessor": lease.accessor,
        "task_id": lease.task_id,
        "link_id": lease.link_id,
        "holder": lease.holder,
        "subject": {"issuer": lease.subject.issuer, "id": lease.subject.id},
        "issued_at": seconds(lease.issue_time),
        "expires_at": seconds(lease.expire_time),
        "ending": lease.ending,
    }
