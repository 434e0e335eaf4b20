"""Memory and places that requests take before their grant is verified are bounded."""

from __future__ import annotations

import asyncio
import gc

import grpc
import pytest
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import types_pb2
from tabard_sidecar.server.registration import Intake, Large, Unread, lenient

Request = authorization_pb.AuthorizeRequest


def raw(size: int) -> bytes:
    """Return a message of about ``size`` bytes."""
    return Request(grant="g" * size).SerializeToString()


def test_large_messages_share_a_number_of_bytes():
    """One too many isn't parsed; places come free when a request is answered, forgotten or malformed."""
    intake = Intake(300_000)
    first, second = (intake.read(Request.FromString, raw(100_000)) for _ in range(2))
    assert isinstance(first, Large)
    refused = intake.read(Request.FromString, raw(110_000))
    assert isinstance(refused, Unread)
    assert (refused.error.status, refused.error.code) == ("RESOURCE_EXHAUSTED", "overloaded")
    with first as message:
        assert len(message.grant) == 100_000
    assert isinstance(intake.read(Request.FromString, raw(110_000)), Large)
    del second
    gc.collect()
    malformed = intake.read(Request.FromString, b"\xff" * 250_000)
    assert isinstance(malformed, Unread)
    assert malformed.error.code == "request_invalid"
    assert isinstance(intake.read(Request.FromString, raw(250_000)), Large)


def test_small_messages_are_not_counted():
    """Their number is bounded."""
    intake = Intake(0)
    assert all(isinstance(intake.read(Request.FromString, raw(1000)), Request) for _ in range(1000))


async def test_waiting_for_a_request_costs_the_same_for_any_number_of_methods(tmp_path):
    """gRPC begins with each request to wait for all registered methods anew, so none is registered."""
    waiting = []
    for serves in (False, True):
        before = asyncio.all_tasks()
        server = grpc.aio.server()
        if serves:
            servicer = authorization_grpc.AuthorizationServiceServicer()
            authorization_grpc.add_AuthorizationServiceServicer_to_server(
                servicer, lenient(server, Intake(1))
            )
        server.add_insecure_port(f"unix:{tmp_path}/s")
        await server.start()
        await asyncio.sleep(0.05)
        waiting.append(len(asyncio.all_tasks() - before))
        await server.stop(None)
    assert waiting[0] == waiting[1]


@pytest.fixture
async def channel(start_zone):
    """A channel to a sidecar that takes 8 requests at once."""
    zone = await start_zone(workloads=("orchestrator",), overrides={"limits.max_in_flight": 8})
    async with grpc.aio.insecure_channel(zone.sidecars["orchestrator"].address) as channel:
        yield channel


async def test_open_streams_count_as_requests(channel):
    """So the number of messages that are half received is bounded; a stream that ends gives its place back."""
    stub = authorization_grpc.AuthorizationServiceStub(channel)
    streams = [stub.StreamAuthorize() for _ in range(8)]
    for stream in streams:
        item = Request(grant="g", tool=types_pb2.ToolCall(name="t"))
        await stream.write(authorization_pb.StreamAuthorizeRequest(request=item))
        assert (await stream.read()).result.decision.reasons[0].code == "grant_malformed"
    refused = stub.Authorize(item, timeout=5)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await refused
    assert caught.value.code() in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}
    for stream in streams:
        await stream.done_writing()
        assert await stream.read() == grpc.aio.EOF
    assert (await stub.Authorize(item)).decision.reasons


async def test_large_requests_are_refused_and_the_rest_goes_on(channel):
    """Whatever comes at once, small requests are answered after it."""
    stub = authorization_grpc.AuthorizationServiceStub(channel)
    large = Request(
        grant="g", tool=types_pb2.ToolCall(name="t", arguments_json=b"[" * 200_000), request_id="r"
    )
    answers = await asyncio.gather(*(stub.Authorize(large) for _ in range(40)), return_exceptions=True)
    codes = {one.code() for one in answers if isinstance(one, grpc.aio.AioRpcError)}
    assert codes <= {grpc.StatusCode.RESOURCE_EXHAUSTED}
    small = Request(grant="g", tool=types_pb2.ToolCall(name="t"))
    assert (await stub.Authorize(small)).decision.reasons[0].code == "grant_malformed"
