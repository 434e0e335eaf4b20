"""Whatever is sent, the server answers properly, goes on, and never turns a deny into an allow."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard.authz.v1 import (
    authorization_service_pb2,
    authorization_service_pb2_grpc,
    credential_service_pb2,
    credential_service_pb2_grpc,
    task_service_pb2,
    task_service_pb2_grpc,
    types_pb2,
)

from tests.support.proto_strategies import messages
from tests.support.zone import Zone

# What a caller may be answered with; INTERNAL and UNKNOWN would be defects.
PROPER = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
METHODS = [
    (task_service_pb2_grpc.TaskServiceStub, "StartTask", task_service_pb2.StartTaskRequest),
    (task_service_pb2_grpc.TaskServiceStub, "DelegateTask", task_service_pb2.DelegateTaskRequest),
    (task_service_pb2_grpc.TaskServiceStub, "GetTask", task_service_pb2.GetTaskRequest),
    (
        authorization_service_pb2_grpc.AuthorizationServiceStub,
        "Authorize",
        authorization_service_pb2.AuthorizeRequest,
    ),
    (
        authorization_service_pb2_grpc.AuthorizationServiceStub,
        "BatchAuthorize",
        authorization_service_pb2.BatchAuthorizeRequest,
    ),
    (
        authorization_service_pb2_grpc.AuthorizationServiceStub,
        "FilterTools",
        authorization_service_pb2.FilterToolsRequest,
    ),
    (
        authorization_service_pb2_grpc.AuthorizationServiceStub,
        "ReportOutcome",
        authorization_service_pb2.ReportOutcomeRequest,
    ),
    (
        credential_service_pb2_grpc.CredentialServiceStub,
        "RenewCredential",
        credential_service_pb2.RenewCredentialRequest,
    ),
    (
        credential_service_pb2_grpc.CredentialServiceStub,
        "IntrospectCredential",
        credential_service_pb2.IntrospectCredentialRequest,
    ),
]
# Denied by policy whatever surrounds it: the refund is above the limit.
DENIED = types_pb2.ToolCall(
    name="refunds.create", arguments_json=b'{"order_id":"o","customer_id":"c","amount_cents":20000}'
)


class Target:
    """A sidecar in a loop of its own, so that hypothesis can call it from outside."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tb", dir="/tmp"))
        self.loop = asyncio.new_event_loop()
        self.zone = Zone(self.folder)
        self.run(self.zone.__aenter__())
        task = self.run(self.zone.start_task())
        self.grant = task.grant
        self.credential = self.run(task.authorize("tickets.read", {"ticket_id": "t"})).credential.value
        self.channel = self.run(self._connect())

    async def _connect(self):
        return grpc.aio.insecure_channel(self.zone.sidecars["orchestrator"].address)

    def run(self, work):
        """Run until done."""
        return self.loop.run_until_complete(work)

    def call(self, stub, method, request):
        """Return the response, or the status of the error."""

        async def ask():
            return await getattr(stub(self.channel), method)(request, timeout=60)

        try:
            return self.run(ask())
        except grpc.aio.AioRpcError as error:
            return error.code()

    def close(self):
        """Stop everything."""
        self.run(self.channel.close())
        self.run(self.zone.__aexit__(None, None, None))
        self.loop.close()
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def target():
    """One sidecar for all examples: state that examples leave behind is part of the test."""
    started = Target()
    yield started
    started.close()


def _known(target: Target) -> dict[str, st.SearchStrategy]:
    flipped = st.integers(0, len(target.grant) - 1).map(
        lambda at: target.grant[:at] + ("A" if target.grant[at] != "A" else "B") + target.grant[at + 1 :]
    )
    cut = st.integers(0, len(target.grant)).map(lambda at: target.grant[:at])
    grant = st.one_of(st.just(target.grant), flipped, cut, st.just(target.credential))
    return {
        "grant": grant,
        "credential": st.one_of(st.just(target.credential), grant),
        "name": st.sampled_from(["refunds.create", "tickets.read", "mail.send", "exports.create"]),
        "arguments_json": st.sampled_from([b'{"ticket_id":"t"}', DENIED.arguments_json, b'{"ticket_id":1}']),
        "holder": st.sampled_from(["spiffe://shop.example/ns/support/sa/triage", "spiffe://x", "not an id"]),
    }


@pytest.mark.parametrize(("stub", "method", "request_type"), METHODS, ids=[m[1] for m in METHODS])
def test_any_request_gets_a_proper_answer(target, stub, method, request_type):
    """No request crashes the server or surfaces as an internal error."""

    @settings(max_examples=60, deadline=None)
    @given(request=messages(request_type, _known(target)))
    def law(request):
        found = target.call(stub, method, request)
        assert not isinstance(found, grpc.StatusCode) or found in PROPER, found

    law()
    alive = authorization_service_pb2.AuthorizeRequest(
        grant=target.grant, tool=types_pb2.ToolCall(name="tickets.read", arguments_json=b'{"ticket_id":"t"}')
    )
    found = target.call(authorization_service_pb2_grpc.AuthorizationServiceStub, "Authorize", alive)
    assert found.decision.effect == types_pb2.EFFECT_ALLOW


def test_nothing_around_a_denied_call_makes_it_allowed(target):
    """Context, scopes, discharges, ids and a damaged grant never turn the deny into an allow."""

    @settings(max_examples=100, deadline=None)
    @given(
        request=messages(authorization_service_pb2.AuthorizeRequest, _known(target)),
        unknown=st.binary(max_size=20),
    )
    def law(request, unknown):
        request.tool.CopyFrom(DENIED)
        raw = request.SerializeToString() + b"\xfa\x3f" + bytes((len(unknown),)) + unknown
        request = authorization_service_pb2.AuthorizeRequest.FromString(raw)
        found = target.call(authorization_service_pb2_grpc.AuthorizationServiceStub, "Authorize", request)
        assert isinstance(found, grpc.StatusCode) or found.decision.effect == types_pb2.EFFECT_DENY

    law()


def test_bytes_that_are_no_message_get_a_status(target):
    """gRPC itself refuses what doesn't parse, and the server goes on."""

    def outcome(raw):
        async def send():
            method = target.channel.unary_unary("/tabard.authz.v1.AuthorizationService/Authorize")
            return await method(raw, timeout=60)

        try:
            answer = target.run(send())
        except grpc.aio.AioRpcError as error:
            return error.code()
        return authorization_service_pb2.AuthorizeResponse.FromString(answer).decision.effect

    @settings(max_examples=40, deadline=None)
    @given(raw=st.binary(max_size=200))
    def law(raw):
        assert outcome(raw) in PROPER | {types_pb2.EFFECT_DENY}

    law()
