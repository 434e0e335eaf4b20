"""The operator socket of a zone's sidecars, as a client has it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from tabard.authz.v1 import revocation_service_pb2 as revocation_pb
from tabard.authz.v1 import revocation_service_pb2_grpc as revocation_grpc
from tabard.authz.v1 import task_operator_service_pb2 as operator_pb
from tabard.authz.v1 import task_operator_service_pb2_grpc as operator_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Operators:
    """Stubs of what operators call, on one socket."""

    revocations: revocation_grpc.RevocationServiceAsyncStub
    tasks: operator_grpc.TaskOperatorServiceAsyncStub

    async def revoke(self, **request: Any) -> revocation_pb.RevokeResponse:
        """Revoke something."""
        return await self.revocations.Revoke(revocation_pb.RevokeRequest(**request))

    async def lift(self, **request: Any) -> bool:
        """Lift something."""
        return (await self.revocations.LiftRevocation(revocation_pb.LiftRevocationRequest(**request))).lifted

    async def revoked(self, **request: Any) -> list[revocation_pb.Revocation]:
        """List what is revoked."""
        found = await self.revocations.ListRevocations(revocation_pb.ListRevocationsRequest(**request))
        return list(found.revocations)

    async def list_tasks(self) -> list[operator_pb.TaskOverview]:
        """List tasks."""
        return list((await self.tasks.ListTasks(operator_pb.ListTasksRequest())).tasks)

    async def tree(self, task_id: str) -> operator_pb.GetTaskTreeResponse:
        """Show a task."""
        return await self.tasks.GetTaskTree(operator_pb.GetTaskTreeRequest(task_id=task_id))


@asynccontextmanager
async def operators(address: str) -> AsyncIterator[Operators]:
    """Connect to a socket as an operator would."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield Operators(
            revocation_grpc.RevocationServiceStub(channel), operator_grpc.TaskOperatorServiceStub(channel)
        )
