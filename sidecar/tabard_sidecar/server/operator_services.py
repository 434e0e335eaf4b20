"""Adds the services of operators to the server of their socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard.authz.v1 import (
    approval_service_pb2_grpc,
    decision_operator_service_pb2_grpc,
    lease_operator_service_pb2_grpc,
    revocation_service_pb2_grpc,
    shadow_service_pb2_grpc,
    task_operator_service_pb2_grpc,
)

from tabard_sidecar.server.edge import Edge
from tabard_sidecar.server.operator import RevocationServicer, TaskOperatorServicer
from tabard_sidecar.server.operator_approvals import ApprovalServicer
from tabard_sidecar.server.operator_changes import OperatorChanges
from tabard_sidecar.server.operator_decisions import DecisionOperatorServicer
from tabard_sidecar.server.operator_leases import LeaseOperatorServicer
from tabard_sidecar.server.operator_shadow import ShadowServicer

if TYPE_CHECKING:
    import grpc

    from tabard_sidecar.server.operator_gate import OperatorGate
    from tabard_sidecar.server.parts import Parts

_SLOW_IN_FLIGHT = 4
_SLOW_SECONDS = 60.0
"""Longest time of a request for which a policy is loaded or a log is read."""


def add_operator_services(parts: Parts, edge: Edge, gate: OperatorGate, server: grpc.aio.Server) -> None:
    """Add them; ``gate`` knows who connects."""
    changes = OperatorChanges(parts.stages.changes, gate.by)
    approval_service_pb2_grpc.add_ApprovalServiceServicer_to_server(
        ApprovalServicer(parts.approving.decider, edge, changes), server
    )
    revocation_service_pb2_grpc.add_RevocationServiceServicer_to_server(
        RevocationServicer(parts.revoking.admin, parts.identity.subjects.issuers, edge, changes), server
    )
    task_operator_service_pb2_grpc.add_TaskOperatorServiceServicer_to_server(
        TaskOperatorServicer(parts.revoking.task_views, edge), server
    )
    lease_operator_service_pb2_grpc.add_LeaseOperatorServiceServicer_to_server(
        LeaseOperatorServicer(parts.revoking.lease_views, edge), server
    )
    slow = Edge(
        parts.metrics,
        parts.tracing,
        max_in_flight=_SLOW_IN_FLIGHT,
        request_seconds=max(_SLOW_SECONDS, parts.settings.limits.request_seconds),
        shown=False,
    )
    shadow_service_pb2_grpc.add_ShadowServiceServicer_to_server(
        ShadowServicer(parts.shadowing, slow, changes), server
    )
    decision_operator_service_pb2_grpc.add_DecisionOperatorServiceServicer_to_server(
        DecisionOperatorServicer(parts.settings, slow), server
    )
