"""Implements the operators' gRPC services for revocation and tasks, on a socket that agents can't reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tabard.authz.v1 import revocation_service_pb2 as revocation_pb
from tabard.authz.v1 import revocation_service_pb2_grpc as revocation_grpc
from tabard.authz.v1 import task_operator_service_pb2 as operator_pb
from tabard.authz.v1 import task_operator_service_pb2_grpc as operator_grpc

from tabard_sidecar.revocation import RevocationAdmin, TaskViews
from tabard_sidecar.server import convert_operator as convert
from tabard_sidecar.server.convert import invalid
from tabard_sidecar.server.edge import Context, Edge, answering
from tabard_sidecar.server.operator_changes import OperatorChanges
from tabard_sidecar.state.listing import TaskFilter
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.revocation import Receipt


@dataclass(frozen=True, slots=True)
class RevocationServicer(revocation_grpc.RevocationServiceServicer):
    """Revokes for operators. ``issuers`` are those whose people's tokens this sidecar accepts."""

    OPERATORS: ClassVar = True

    admin: RevocationAdmin
    issuers: frozenset[str]
    edge: Edge
    changes: OperatorChanges

    @answering
    async def Revoke(
        self, request: revocation_pb.RevokeRequest, context: Context
    ) -> revocation_pb.RevokeResponse:
        """Revoke a task, a subtree, an agent, a subject or a credential."""
        receipt = await self.changes.make(
            "revoke",
            context,
            about=convert.revocation_about(request),
            work=lambda: self._revoke(request),
            told=convert.receipt_told,
        )
        return revocation_pb.RevokeResponse(
            revocation=convert.revocation_message(receipt.revocation),
            impact=revocation_pb.RevocationImpact(
                live_tasks=receipt.impact.tasks,
                holders=receipt.impact.holders,
                complete=receipt.impact.complete,
            ),
        )

    async def _revoke(self, request: revocation_pb.RevokeRequest) -> Receipt:
        reason = convert.reason(request.reason)
        ttl_seconds = convert.ttl_seconds(request)
        match request.WhichOneof("target"):
            case "task_id":
                return await self.admin.revoke_task(convert.task_id(request.task_id), reason=reason)
            case "link_id":
                return await self.admin.revoke_link(convert.link_id(request.link_id), reason=reason)
            case "agent_id":
                return await self.admin.revoke_agent(
                    convert.agent_id(request.agent_id), reason=reason, ttl_seconds=ttl_seconds
                )
            case "subject":
                issuer, subject_id = convert.subject(request.subject)
                if issuer not in self.issuers and not await self.admin.has_tasks_of(issuer):
                    raise invalid(
                        "subject.issuer is neither in identity.issuers nor the issuer of a person with a live task, "
                        "so it can't match; it must be written exactly as tokens have it in iss"
                    )
                return await self.admin.revoke_subject(
                    issuer, subject_id, reason=reason, ttl_seconds=ttl_seconds
                )
            case "credential_id":
                return await self.admin.revoke_credential(
                    convert.credential_id(request.credential_id), reason=reason
                )
        raise invalid("name one target: task_id, link_id, agent_id, subject or credential_id")

    @answering
    async def LiftRevocation(
        self, request: revocation_pb.LiftRevocationRequest, context: Context
    ) -> revocation_pb.LiftRevocationResponse:
        """Lift a revocation."""
        kind, target = convert.lifted(request)
        lifted = await self.changes.make(
            "lift_revocation",
            context,
            about={"kind": str(kind), "target": target},
            work=lambda: self.admin.lift(kind, target),
            told=lambda lifted: {"lifted": lifted},
            gives=True,
        )
        return revocation_pb.LiftRevocationResponse(lifted=lifted)

    @answering
    async def ListRevocations(
        self, request: revocation_pb.ListRevocationsRequest, context: Context
    ) -> revocation_pb.ListRevocationsResponse:
        """List revocations."""
        found = await self.admin.listed(
            kinds=convert.kinds(request.kinds),
            after=convert.sequence(request.after_sequence),
            limit=convert.limit(request.limit),
            by_holders=request.by_holders,
        )
        return revocation_pb.ListRevocationsResponse(
            revocations=[convert.revocation_message(entry) for entry in found]
        )


@dataclass(frozen=True, slots=True)
class TaskOperatorServicer(operator_grpc.TaskOperatorServiceServicer):
    """Shows tasks to operators."""

    OPERATORS: ClassVar = True

    task_views: TaskViews
    edge: Edge

    @answering
    async def ListTasks(
        self, request: operator_pb.ListTasksRequest, context: Context
    ) -> operator_pb.ListTasksResponse:
        """List the zone's tasks."""
        wanted = TaskFilter(request.subject_id, request.workload, convert.position(request.page_token))
        found, after = await self.task_views.overviews(
            limit=convert.limit(request.limit), wanted=wanted, label=request.label
        )
        return operator_pb.ListTasksResponse(
            tasks=[convert.overview_message(one) for one in found], next_page_token=convert.page_token(after)
        )

    @answering
    async def GetTaskTree(
        self, request: operator_pb.GetTaskTreeRequest, context: Context
    ) -> operator_pb.GetTaskTreeResponse:
        """Show one task with everything below it."""
        return convert.tree_message(await self.task_views.tree(convert.task_id(request.task_id)))
