"""Opens the sockets of a sidecar: gRPC for agents and for operators, and HTTP."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from tabard.authz.v1 import (
    authorization_service_pb2_grpc,
    credential_service_pb2_grpc,
    task_service_pb2_grpc,
)

from tabard_sidecar.http.app import create_health_server, create_http_server
from tabard_sidecar.http.introspection import create_introspection_server
from tabard_sidecar.http.server import HttpServer
from tabard_sidecar.keys import jwks
from tabard_sidecar.pipeline.authorize import Authorizer
from tabard_sidecar.pipeline.credentials import Credentials
from tabard_sidecar.pipeline.filter_tools import ToolFilter
from tabard_sidecar.pipeline.outcomes import Outcomes
from tabard_sidecar.pipeline.tasks import TaskRules, Tasks
from tabard_sidecar.server.crossing import crossing
from tabard_sidecar.server.edge import Edge
from tabard_sidecar.server.grpc_server import LARGE_IN_FLIGHT, bind, grpc_server
from tabard_sidecar.server.operator_gate import OperatorGate
from tabard_sidecar.server.operator_services import add_operator_services
from tabard_sidecar.server.registration import Intake, lenient
from tabard_sidecar.server.revisions import ShownRevisions
from tabard_sidecar.server.services import AuthorizationServicer, CredentialServicer, TaskServicer
from tabard_sidecar.server.zone_gate import ZoneGate

if TYPE_CHECKING:
    import grpc

    from tabard_sidecar.server.parts import Parts
    from tabard_sidecar.util.sockets import OwnedSocket


async def listen(
    parts: Parts, sockets: list[OwnedSocket], stack: AsyncExitStack
) -> tuple[list[grpc.aio.Server], str]:
    """Open every socket; return the gRPC servers and the address of HTTP."""
    agent = grpc_server(parts.settings.limits, "agent")
    operator = grpc_server(parts.settings.limits, "operator", [ZoneGate(parts.health.about)])
    edge = Edge(
        parts.metrics,
        parts.tracing,
        max_in_flight=parts.settings.limits.max_in_flight,
        request_seconds=parts.settings.limits.request_seconds,
    )
    credentials = Credentials(parts.stages)
    intake = Intake(LARGE_IN_FLIGHT * parts.settings.limits.max_message_bytes)
    _add_agent_services(parts, credentials, edge, lenient(agent, intake))
    gate = OperatorGate(sockets[1])
    add_operator_services(parts, edge, gate, lenient(operator, intake))
    http = await _start_http(parts, credentials, stack)
    await bind(agent, sockets[0], stack)
    gate.inner.acquire()
    stack.callback(gate.inner.release)
    await bind(operator, gate.inner, stack)
    await gate.start()
    stack.push_async_callback(gate.stop)
    return [agent, operator], http.address


def _add_agent_services(parts: Parts, credentials: Credentials, edge: Edge, server: grpc.aio.Server) -> None:
    settings, stages, shown = parts.settings, parts.stages, ShownRevisions(parts.keyring)
    rules = TaskRules(
        tasks_per_token=settings.insecure.tasks_per_token or settings.identity.tasks_per_token,
        max_ttl_seconds=settings.limits.max_task_seconds,
        label_carry_seconds=settings.limits.label_carry_seconds,
    )
    task_service_pb2_grpc.add_TaskServiceServicer_to_server(
        TaskServicer(
            Tasks(
                stages,
                parts.identity.subjects,
                parts.identity.intents,
                rules,
                parts.kept_tokens,
                crossing(parts),
            ),
            edge,
            shown,
            settings.zone,
        ),
        server,
    )
    authorization_service_pb2_grpc.add_AuthorizationServiceServicer_to_server(
        AuthorizationServicer(
            Authorizer(stages),
            ToolFilter(stages),
            Outcomes(stages, parts.keyring, parts.clock),
            parts.approving.status_service,
            edge,
            shown,
        ),
        server,
    )
    credential_service_pb2_grpc.add_CredentialServiceServicer_to_server(
        CredentialServicer(credentials, edge, shown), server
    )


async def _start_http(parts: Parts, credentials: Credentials, stack: AsyncExitStack) -> HttpServer:
    """Start the HTTP servers: the public one, that of probes, and that of introspection if it is configured."""
    http = create_http_server(
        parts.settings.http,
        health=parts.health,
        registry=parts.metrics.registry,
        jwks=lambda: jwks(parts.keyring),
    )
    await http.start()
    stack.push_async_callback(http.stop)
    health = create_health_server(parts.settings.listen.health_address, parts.health)
    await health.start()
    stack.push_async_callback(health.stop)
    introspection = create_introspection_server(
        parts.settings.introspection, introspect=credentials.active, metrics=parts.metrics
    )
    if introspection is not None:
        await introspection.start()
        stack.push_async_callback(introspection.stop)
    return http
