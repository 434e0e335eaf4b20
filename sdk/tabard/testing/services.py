"""The services of a fake sidecar: every RPC, answered from a script. Nothing is verified."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from tabard import macaroon
from tabard._lean import dataclass
from tabard.arguments import ArgumentsError, canonical, parse_arguments
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import credential_service_pb2 as credential_pb
from tabard.authz.v1 import credential_service_pb2_grpc as credential_grpc
from tabard.authz.v1 import task_service_pb2 as task_pb
from tabard.authz.v1 import task_service_pb2_grpc as task_grpc
from tabard.authz.v1 import types_pb2
from tabard.errors import ERROR_DOMAIN
from tabard.testing.people import FakeApprovals
from tabard.testing.rules import Answer, RecordedCall, ReportedOutcome, Script

_ALLOWED = Answer(allowed=True, code="allowed_by_test")


@dataclass(slots=True)
class FakeState:
    """The state of a fake sidecar."""

    script: Script
    calls: list[RecordedCall] = field(default_factory=list)
    started: list[Mapping[str, Any]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    outcomes: list[ReportedOutcome] = field(default_factory=list)
    credentials: dict[str, types_pb2.Credential] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)  # the first credential of each renewal, by ids
    tasks: dict[str, types_pb2.Task] = field(default_factory=dict)
    answered: dict[tuple[str, str, bytes], authorization_pb.AuthorizeResult] = field(default_factory=dict)
    task_denial: Answer | None = None
    approvals: FakeApprovals = field(default_factory=FakeApprovals)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    grant: str = field(default_factory=lambda: fake_grant("fake-task"))


def fake_grant(task_id: str) -> str:
    """Return a grant that can be narrowed and branched, and that no real sidecar accepts."""
    identifier = canonical({"kid": "fake", "task_id": task_id, "type": "grant", "version": 1})
    return macaroon.mint(bytes(macaroon.KEY_BYTES), identifier)


def fake_status(answer: Answer) -> status_pb2.Status:
    """Return the error of a call that no decision is made about."""
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason=answer.code, domain=ERROR_DOMAIN))
    message = answer.message or f"{answer.code}, set by the test"
    return status_pb2.Status(code=code_pb2.Code.Value(answer.status), message=message, details=[detail])


class Services(
    task_grpc.TaskServiceServicer,
    authorization_grpc.AuthorizationServiceServicer,
    credential_grpc.CredentialServiceServicer,
):
    """Every service of the agent socket."""

    def __init__(self, state: FakeState) -> None:
        self._state = state

    def StartTask(
        self, request: task_pb.StartTaskRequest, context: grpc.ServicerContext
    ) -> task_pb.StartTaskResponse:
        """Start a task for any subject."""
        self._state.started.append(
            {
                "subject_token": request.subject_token,
                "intent_token": request.intent_token,
                "purpose": request.purpose,
                "statement": request.statement,
                "request_id": request.request_id,
            }
        )
        if self._state.task_denial:
            return task_pb.StartTaskResponse(decision=self._decision(self._state.task_denial))
        number = next(self._state.ids)
        task = types_pb2.Task(
            task_id=f"fake-task-{number}",
            subject=types_pb2.Subject(id="fake-subject", issuer="https://issuer.invalid"),
            purpose=request.purpose,
            statement=request.statement,
            intent_source=types_pb2.INTENT_SOURCE_ASSERTED,
        )
        now = time.time()
        task.start_time.FromSeconds(int(now))
        task.expire_time.FromSeconds(int(now) + 3600)
        grant = fake_grant(task.task_id)
        self._state.tasks[grant] = task
        return task_pb.StartTaskResponse(decision=self._decision(_ALLOWED), grant=grant, task=task)

    def DelegateTask(
        self, request: task_pb.DelegateTaskRequest, context: grpc.ServicerContext
    ) -> task_pb.DelegateTaskResponse:
        """Hand out another grant."""
        if self._state.task_denial:
            return task_pb.DelegateTaskResponse(decision=self._decision(self._state.task_denial))
        grant = fake_grant(f"fake-task for {request.holder} {next(self._state.ids)}")
        return task_pb.DelegateTaskResponse(decision=self._decision(_ALLOWED), grant=grant)

    def GetTask(
        self, request: task_pb.GetTaskRequest, context: grpc.ServicerContext
    ) -> task_pb.GetTaskResponse:
        """Describe a task that was started here."""
        task = self._state.tasks.get(request.grant)
        if task is None:
            self._abort(
                context,
                Answer(allowed=False, code="grant_malformed", status="PERMISSION_DENIED"),
            )
        described = types_pb2.Task()
        described.CopyFrom(task)
        described.ended = request.grant in self._state.ended
        return task_pb.GetTaskResponse(task=described)

    def EndTask(
        self, request: task_pb.EndTaskRequest, context: grpc.ServicerContext
    ) -> task_pb.EndTaskResponse:
        """Remember that a grant was ended."""
        self._state.ended.append(request.grant)
        return task_pb.EndTaskResponse(task_id=self._state.tasks.get(request.grant, types_pb2.Task()).task_id)

    def Authorize(
        self, request: authorization_pb.AuthorizeRequest, context: grpc.ServicerContext
    ) -> authorization_pb.AuthorizeResponse:
        """Answer from the script."""
        result = self._result(request, request.grant, context)
        if result.HasField("error"):
            context.abort_with_status(rpc_status.to_status(result.error))
        return authorization_pb.AuthorizeResponse(decision=result.decision)

    def BatchAuthorize(
        self, request: authorization_pb.BatchAuthorizeRequest, context: grpc.ServicerContext
    ) -> authorization_pb.BatchAuthorizeResponse:
        """Answer each item from the script."""
        group = self._state.approvals.new_group()
        results = [
            self._result(item, item.grant or request.grant, context, group=group) for item in request.items
        ]
        return authorization_pb.BatchAuthorizeResponse(results=results)

    def StreamAuthorize(
        self,
        request_iterator: Iterator[authorization_pb.StreamAuthorizeRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[authorization_pb.StreamAuthorizeResponse]:
        """Answer each request from the script."""
        for item in request_iterator:
            result = self._result(item.request, item.request.grant, context)
            yield authorization_pb.StreamAuthorizeResponse(correlation_id=item.correlation_id, result=result)

    def FilterTools(
        self, request: authorization_pb.FilterToolsRequest, context: grpc.ServicerContext
    ) -> authorization_pb.FilterToolsResponse:
        """Offer what some rule allows."""
        offered = [tool for tool in request.tools if self._state.script.offers(tool.name)]
        return authorization_pb.FilterToolsResponse(tools=offered, policy_revision="fake")

    def RenewCredential(
        self, request: credential_pb.RenewCredentialRequest, context: grpc.ServicerContext
    ) -> credential_pb.RenewCredentialResponse:
        """Replace a credential that was issued here."""
        held = self._state.credentials.get(request.credential)
        if held is None or held.uses:
            denial = Answer(allowed=False, code="credential_invalid")
            return credential_pb.RenewCredentialResponse(decision=self._decision(denial))
        answer = Answer(
            allowed=True,
            code="allowed_by_test",
            kind=held.kind,
            audience=held.audience,
            scopes=tuple(held.scopes),
        )
        decision = self._decision(answer)
        lines = self._state.lines
        lines[decision.credential.credential_id] = lines.get(held.credential_id, held.credential_id)
        return credential_pb.RenewCredentialResponse(decision=decision)

    def IntrospectCredential(
        self, request: credential_pb.IntrospectCredentialRequest, context: grpc.ServicerContext
    ) -> credential_pb.IntrospectCredentialResponse:
        """Describe a credential that was issued here."""
        held = self._state.credentials.get(request.credential)
        if held is None:
            return credential_pb.IntrospectCredentialResponse(active=False)
        return credential_pb.IntrospectCredentialResponse(
            active=True,
            credential_id=held.credential_id,
            audience=held.audience,
            scopes=held.scopes,
            expire_time=held.expire_time,
        )

    def GetApproval(
        self, request: authorization_pb.GetApprovalRequest, context: grpc.ServicerContext
    ) -> authorization_pb.GetApprovalResponse:
        """Tell what the test has decided."""
        return self._state.approvals.status(request)

    def ReportOutcome(
        self, request: authorization_pb.ReportOutcomeRequest, context: grpc.ServicerContext
    ) -> authorization_pb.ReportOutcomeResponse:
        """Remember what was reported."""
        self._state.outcomes.append(
            ReportedOutcome(
                request.decision_id,
                request.succeeded,
                dict(request.charges),
                tuple(request.labels),
                request.signed_outcome,
            )
        )
        return authorization_pb.ReportOutcomeResponse()

    def RevokeCredential(
        self, request: credential_pb.RevokeCredentialRequest, context: grpc.ServicerContext
    ) -> credential_pb.RevokeCredentialResponse:
        """Forget a credential that was issued here, with all its renewals; none can be renewed then or is active."""
        lines = self._state.lines
        line = lines.get(request.credential_id, request.credential_id)
        for value, held in list(self._state.credentials.items()):
            if lines.get(held.credential_id, held.credential_id) == line:
                del self._state.credentials[value]
        return credential_pb.RevokeCredentialResponse()

    def _result(
        self,
        request: authorization_pb.AuthorizeRequest,
        grant: str,
        context: grpc.ServicerContext,
        *,
        group: str = "",
    ) -> authorization_pb.AuthorizeResult:
        try:
            arguments = parse_arguments(request.tool.arguments_json)
            asserted = parse_arguments(request.context_json)
        except ArgumentsError as error:
            answer = Answer(
                allowed=False, code="request_invalid", message=str(error), status="INVALID_ARGUMENT"
            )
            return authorization_pb.AuthorizeResult(error=fake_status(answer))
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        call = RecordedCall(
            tool=request.tool.name,
            server=request.tool.server,
            arguments=arguments,
            grant=grant,
            scopes=tuple(request.scopes),
            context=asserted,
            request_id=request.request_id,
            metadata=metadata,
        )
        self._state.calls.append(call)
        approvals, call_key = self._state.approvals, canonical([call.tool, call.server, arguments])
        approved = approvals.answer(grant, call_key, list(request.discharges))
        known = (grant, call.request_id, call_key)
        if call.request_id and known in self._state.answered:
            return self._state.answered[known]
        answer = approved or self._state.script.answer(call.tool, arguments)
        if answer.status:
            return authorization_pb.AuthorizeResult(error=fake_status(answer))
        decision = self._decision(answer)
        if answer.approved is not None:
            pending = approvals.ask(
                grant, call_key, answer.approved, answer.decided, time.time(), group=group
            )
            decision.approvals.append(pending)
        result = authorization_pb.AuthorizeResult(decision=decision)
        if call.request_id:
            self._state.answered[known] = result
        return result

    def _decision(self, answer: Answer) -> types_pb2.Decision:
        number = next(self._state.ids)
        decision = types_pb2.Decision(
            decision_id=f"fake-decision-{number}",
            effect=types_pb2.EFFECT_ALLOW if answer.allowed else types_pb2.EFFECT_DENY,
            reasons=[
                types_pb2.Reason(code=answer.code, message=answer.message, model_message=answer.model_message)
            ],
            obligations=[
                types_pb2.Obligation(id=name, properties_json=json.dumps(dict(properties)).encode())
                for name, properties in answer.obligations.items()
            ],
            policy_revision="fake",
        )
        if answer.allowed and answer.kind != "none":
            credential = types_pb2.Credential(
                kind=answer.kind,
                value=answer.value or ("" if answer.fields else f"fake-credential-{number}"),
                fields=answer.fields,
                credential_id=f"fake-credential-id-{number}",
                audience=answer.audience,
                scopes=sorted(answer.scopes),
                single_use=answer.uses == 1,
                uses=answer.uses,
            )
            credential.expire_time.FromNanoseconds(int((time.time() + answer.ttl_seconds) * 1e9))
            self._state.credentials[credential.value or credential.credential_id] = credential
            decision.credential.CopyFrom(credential)
        return decision

    @staticmethod
    def _abort(context: grpc.ServicerContext, answer: Answer) -> NoReturn:
        context.abort_with_status(rpc_status.to_status(fake_status(answer)))
        raise AssertionError("abort_with_status raises")
