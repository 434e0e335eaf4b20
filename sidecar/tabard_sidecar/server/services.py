"""Serves the RPCs that agents call: each method parses, runs a pipeline and answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import credential_service_pb2 as credential_pb
from tabard.authz.v1 import credential_service_pb2_grpc as credential_grpc
from tabard.authz.v1 import task_service_pb2 as task_pb
from tabard.authz.v1 import task_service_pb2_grpc as task_grpc
from tabard.authz.v1 import types_pb2 as types_pb

from tabard_sidecar.approvals import ApprovalStatusService
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import CandidateTool, Together
from tabard_sidecar.pipeline.authorize import Authorizer
from tabard_sidecar.pipeline.credentials import Credentials
from tabard_sidecar.pipeline.filter_tools import ToolFilter
from tabard_sidecar.pipeline.outcomes import Outcomes
from tabard_sidecar.pipeline.requests import RenewCredentialRequest
from tabard_sidecar.pipeline.tasks import Tasks
from tabard_sidecar.revocation.targets import is_credential_id
from tabard_sidecar.server import convert, errors
from tabard_sidecar.server.edge import Context, Edge, answering, guarded
from tabard_sidecar.server.registration import Large, Unread
from tabard_sidecar.server.revisions import ShownRevisions
from tabard_sidecar.server.zone_gate import require_zone
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.rounds import in_rounds, pause

MAX_BATCH = 100
MAX_FILTERED_TOOLS = 500
STREAM_IN_FLIGHT = 64
_MOST_TOGETHER = 32
_BYTES_TOGETHER = 64 * 1024
"""Most items of a batch that are decided in rounds, and bytes of their arguments: each item takes many times its size."""


@dataclass(frozen=True, slots=True)
class AuthorizationServicer(authorization_grpc.AuthorizationServiceServicer):
    """Decides about tool calls."""

    authorizer: Authorizer
    tools: ToolFilter
    outcomes: Outcomes
    approvals: ApprovalStatusService
    edge: Edge
    shown: ShownRevisions

    @answering
    async def Authorize(
        self, request: authorization_pb.AuthorizeRequest, context: Context
    ) -> authorization_pb.AuthorizeResponse:
        """Decide about one call."""
        decision = await self.authorizer.authorize(convert.authorize_request(request))
        response = authorization_pb.AuthorizeResponse()
        convert.write_decision(response.decision, decision, self.shown)
        return response

    @answering
    async def BatchAuthorize(
        self, request: authorization_pb.BatchAuthorizeRequest, context: Context
    ) -> authorization_pb.BatchAuthorizeResponse:
        """Decide about several calls, in order; people are shown those that they have to approve as lists."""
        if not 1 <= len(request.items) <= MAX_BATCH:
            raise convert.invalid(
                f"items has {len(request.items)} entries; between 1 and {MAX_BATCH} are accepted"
            )
        grant = convert.bounded(request.grant, "grant", convert.MAX_GRANT_BYTES)
        response = authorization_pb.BatchAuthorizeResponse()
        with self.authorizer.together() as together:
            for items in _groups(request.items):
                await in_rounds(
                    [self._batch_item(item, response.results.add(), grant, together) for item in items]
                )
        for result in response.results:
            # A later item may have brought the approvals of earlier ones into another group.
            for approval in result.decision.approvals:
                approval.group_id = together.current(approval.group_id)
        return response

    async def StreamAuthorize(
        self, request_iterator: AsyncIterator[authorization_pb.StreamAuthorizeRequest], context: Context
    ) -> AsyncIterator[authorization_pb.StreamAuthorizeResponse]:
        """Decide about calls as they come."""
        answers: asyncio.Queue[authorization_pb.StreamAuthorizeResponse | None] = asyncio.Queue()
        places = asyncio.Semaphore(STREAM_IN_FLIGHT)

        async def answer(item: authorization_pb.StreamAuthorizeRequest | Large) -> None:
            if isinstance(item, Large):
                with item as message:
                    answers.put_nowait(await self._stream_item(message))
            else:
                answers.put_nowait(await self._stream_item(item))

        async def read() -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    async for item in request_iterator:
                        await places.acquire()
                        if isinstance(item, Unread):
                            self.edge.unread(item)
                            error = authorization_pb.AuthorizeResult(error=errors.status(item.error))
                            answers.put_nowait(authorization_pb.StreamAuthorizeResponse(result=error))
                            continue
                        group.create_task(answer(item))
            finally:
                answers.put_nowait(None)

        reader = asyncio.create_task(read())
        try:
            while (response := await answers.get()) is not None:
                yield response
                # Released after the answer was taken, so that a caller that reads none can't fill the memory.
                places.release()
            await reader
        except Exception as error:  # noqa: BLE001 - gRPC would tell the caller the exception's text
            await context.abort_with_status(errors.grpc_status(errors.unexpected(error)))
        finally:
            reader.cancel()

    async def _stream_item(
        self, item: authorization_pb.StreamAuthorizeRequest
    ) -> authorization_pb.StreamAuthorizeResponse:
        try:
            convert.bounded(item.correlation_id, "correlation_id", convert.MAX_REQUEST_ID_BYTES)
        except NoDecision as error:
            # Cut, so that an oversized id isn't sent back.
            correlation_id = item.correlation_id[: convert.MAX_REQUEST_ID_BYTES]
            result = authorization_pb.AuthorizeResult(error=errors.status(error))
            return authorization_pb.StreamAuthorizeResponse(correlation_id=correlation_id, result=result)
        return authorization_pb.StreamAuthorizeResponse(
            correlation_id=item.correlation_id, result=await self._admitted_item(item.request)
        )

    async def _admitted_item(
        self, request: authorization_pb.AuthorizeRequest
    ) -> authorization_pb.AuthorizeResult:
        result = authorization_pb.AuthorizeResult()
        try:
            await self.edge.admit(lambda: self._item(request, result))
        except NoDecision as error:
            result.error.CopyFrom(errors.status(error))
        return result

    async def _item(
        self, request: authorization_pb.AuthorizeRequest, result: authorization_pb.AuthorizeResult
    ) -> None:
        async def decide() -> None:
            decision = await self.authorizer.authorize(convert.authorize_request(request))
            convert.write_decision(result.decision, decision, self.shown)

        await _answer(decide, result)

    async def _batch_item(
        self,
        request: authorization_pb.AuthorizeRequest,
        result: authorization_pb.AuthorizeResult,
        grant: str,
        together: Together,
    ) -> None:
        async def decide() -> None:
            asked = convert.authorize_request(request, grant)._replace(together=together, paced=True)
            await pause()
            decision = await self.authorizer.authorize(asked)
            await pause()
            convert.write_decision(result.decision, decision, self.shown)

        await _answer(decide, result)

    @answering
    async def FilterTools(
        self, request: authorization_pb.FilterToolsRequest, context: Context
    ) -> authorization_pb.FilterToolsResponse:
        """Tell which tools the holder could use."""
        if len(request.tools) > MAX_FILTERED_TOOLS:
            raise convert.invalid(f"tools has more than {MAX_FILTERED_TOOLS} entries")
        candidates = [
            CandidateTool(
                convert.bounded(tool.name, "tools.name", convert.MAX_NAME_BYTES, required=True),
                convert.bounded(tool.server, "tools.server", convert.MAX_NAME_BYTES),
            )
            for tool in request.tools
        ]
        grant = convert.bounded(request.grant, "grant", convert.MAX_GRANT_BYTES)
        offered, revision = await self.tools.filter(grant, candidates)
        return authorization_pb.FilterToolsResponse(
            tools=convert.tool_refs([(tool.name, tool.server) for tool in offered]),
            policy_revision=self.shown(revision),
        )

    @answering
    async def ReportOutcome(
        self, request: authorization_pb.ReportOutcomeRequest, context: Context
    ) -> authorization_pb.ReportOutcomeResponse:
        """Count what a call did."""
        await self.outcomes.report(convert.outcome_request(request))
        return authorization_pb.ReportOutcomeResponse()

    @answering
    async def GetApproval(
        self, request: authorization_pb.GetApprovalRequest, context: Context
    ) -> authorization_pb.GetApprovalResponse:
        """Return the status of an approval."""
        answer = await self.approvals.status(
            convert.bounded(request.call_grant, "call_grant", convert.MAX_GRANT_BYTES, required=True),
            convert.bounded(request.approval_id, "approval_id", convert.MAX_NAME_BYTES, required=True),
        )
        return convert.approval_message(answer)


@dataclass(frozen=True, slots=True)
class TaskServicer(task_grpc.TaskServiceServicer):
    """Starts, hands on and ends tasks."""

    tasks: Tasks
    edge: Edge
    shown: ShownRevisions
    zone: str

    @answering
    async def StartTask(
        self, request: task_pb.StartTaskRequest, context: Context
    ) -> task_pb.StartTaskResponse:
        """Start a task."""
        require_zone(context, self.zone)
        answer = await self.tasks.start(convert.start_request(request))
        response = task_pb.StartTaskResponse()
        convert.write_decision(response.decision, answer.decision, self.shown)
        if answer.verified is not None:
            response.grant = answer.grant
            response.task.CopyFrom(convert.task_message(answer.verified))
        return response

    @answering
    async def DelegateTask(
        self, request: task_pb.DelegateTaskRequest, context: Context
    ) -> task_pb.DelegateTaskResponse:
        """Hand a grant to another workload."""
        answer = await self.tasks.delegate(convert.delegate_request(request))
        response = task_pb.DelegateTaskResponse()
        convert.write_decision(response.decision, answer.decision, self.shown)
        if answer.verified is not None:
            response.grant = answer.grant
            response.expire_time.CopyFrom(convert.timestamp(answer.verified.expires_at))
        return response

    @answering
    async def GetTask(self, request: task_pb.GetTaskRequest, context: Context) -> task_pb.GetTaskResponse:
        """Describe a task."""
        grant = convert.bounded(request.grant, "grant", convert.MAX_GRANT_BYTES)
        verified, ended = await self.tasks.describe(grant)
        return task_pb.GetTaskResponse(task=convert.task_message(verified, ended=ended))

    @answering
    async def EndTask(self, request: task_pb.EndTaskRequest, context: Context) -> task_pb.EndTaskResponse:
        """End the holder's part of a task."""
        verified = await self.tasks.end(convert.bounded(request.grant, "grant", convert.MAX_GRANT_BYTES))
        return task_pb.EndTaskResponse(task_id=verified.task.id)


@dataclass(frozen=True, slots=True)
class CredentialServicer(credential_grpc.CredentialServiceServicer):
    """Renews, revokes and describes credentials."""

    credentials: Credentials
    edge: Edge
    shown: ShownRevisions

    @answering
    async def RenewCredential(
        self, request: credential_pb.RenewCredentialRequest, context: Context
    ) -> credential_pb.RenewCredentialResponse:
        """Replace a credential by one that lasts longer."""
        decision = await self.credentials.renew(
            RenewCredentialRequest(
                grant=convert.bounded(request.grant, "grant", convert.MAX_GRANT_BYTES),
                credential=convert.bounded(
                    request.credential, "credential", convert.MAX_GRANT_BYTES, required=True
                ),
                arguments_json=request.arguments_json,
            )
        )
        response = credential_pb.RenewCredentialResponse()
        convert.write_decision(response.decision, decision, self.shown)
        return response

    @answering
    async def RevokeCredential(
        self, request: credential_pb.RevokeCredentialRequest, context: Context
    ) -> credential_pb.RevokeCredentialResponse:
        """Revoke a credential of the presented holder."""
        if not is_credential_id(request.credential_id):
            raise convert.invalid(
                "credential_id isn't one that Tabard gives; it is the whole jti of a credential"
            )
        grant = convert.bounded(request.grant, "grant", convert.MAX_GRANT_BYTES, required=True)
        await self.credentials.revoke(grant, request.credential_id)
        return credential_pb.RevokeCredentialResponse()

    @answering
    async def IntrospectCredential(
        self, request: credential_pb.IntrospectCredentialRequest, context: Context
    ) -> credential_pb.IntrospectCredentialResponse:
        """Describe a credential of the task."""
        found = await self.credentials.introspect(
            convert.bounded(request.grant, "grant", convert.MAX_GRANT_BYTES),
            convert.bounded(request.credential, "credential", convert.MAX_GRANT_BYTES, required=True),
        )
        if found is None:
            return credential_pb.IntrospectCredentialResponse(active=False)
        return credential_pb.IntrospectCredentialResponse(
            active=True,
            credential_id=found.credential_id,
            audience=found.audience,
            scopes=found.scopes,
            expire_time=convert.timestamp(found.expires_at),
            subject=types_pb.Subject(id=found.subject_id, issuer=found.subject_issuer),
            tool=found.tool,
        )


async def _answer(decide: Callable[[], Awaitable[None]], result: authorization_pb.AuthorizeResult) -> None:
    """Write an item's decision, or the error that there is instead: other items are answered all the same."""
    try:
        await guarded(decide)
    except NoDecision as error:
        result.error.CopyFrom(errors.status(error))


def _groups(
    items: Sequence[authorization_pb.AuthorizeRequest],
) -> Iterator[list[authorization_pb.AuthorizeRequest]]:
    """Divide a batch, in order, into what is decided in rounds."""
    group, size = list[authorization_pb.AuthorizeRequest](), 0
    for item in items:
        size += item.ByteSize()
        if group and (len(group) == _MOST_TOGETHER or size > _BYTES_TOGETHER):
            yield group
            group, size = [], item.ByteSize()
        group.append(item)
    yield group
