"""Arguments are read after the grant was verified, and never long at a stretch on the event loop."""

from __future__ import annotations

import asyncio
import json

import grpc
import pytest
import tabard
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import types_pb2
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.pipeline.reading import CallReader
from tabard_sidecar.pipeline.requests import AuthorizeRequest

LARGE = json.dumps({"a": [{str(n): n * 1.1} for n in range(9_000)]}).encode()


@pytest.fixture
async def stub(zone):
    """The agent's socket of the orchestrator, without the SDK."""
    async with grpc.aio.insecure_channel(zone.sidecars["orchestrator"].address) as channel:
        yield authorization_grpc.AuthorizationServiceStub(channel)


def request(grant: str, arguments: bytes) -> authorization_pb.AuthorizeRequest:
    """Return a request with arguments as they are."""
    return authorization_pb.AuthorizeRequest(
        grant=grant, tool=types_pb2.ToolCall(name="tickets.read", arguments_json=arguments)
    )


@pytest.mark.parametrize("arguments", [b"[" * 1000, b"{", LARGE, b'{"secret": "s3"}'])
async def test_what_has_no_valid_grant_is_not_read(zone, stub, arguments):
    """It is denied for its grant, whatever the arguments are."""
    answer = (await stub.Authorize(request("garbage", arguments))).decision
    assert [reason.code for reason in answer.reasons] == ["grant_malformed"]
    records = (zone.folder / "orchestrator" / "decisions.log").read_bytes()
    assert len(arguments) < 10 or arguments[:10] not in records


async def test_malformed_arguments_under_a_valid_grant_are_an_error(zone, stub):
    """As before: the caller has made a mistake, and learns which."""
    grant = (await zone.start_task()).grant
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Authorize(request(grant, b"{"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "arguments_json" in caught.value.details()


async def test_a_large_call_is_decided_on_all_of_its_arguments(zone):
    """Where arguments are read makes no difference."""
    task = await zone.start_task()
    with pytest.raises(tabard.Denied) as caught:
        await task.authorize("tickets.read", {"ticket_id": "t-1", "extra": "x" * 100_000})
    assert caught.value.code == "arguments_invalid"


async def test_large_arguments_leave_the_loop_to_others():
    """While several are read, the loop turns many times; if it read them itself, it would turn once for each."""
    reader, ask = CallReader(), AuthorizeRequest("", "t", arguments_json=LARGE)
    reading = [asyncio.create_task(reader.read(ask)) for _ in range(8)]
    turns = 0
    while not all(task.done() for task in reading):
        await asyncio.sleep(0)
        turns += 1
    assert turns > 3 * len(reading)


async def test_the_number_of_large_arguments_is_bounded():
    """One more is refused and doesn't wait; small ones go on."""
    reader, ask = CallReader(), AuthorizeRequest("", "t", arguments_json=LARGE)
    reading = [asyncio.create_task(reader.read(ask)) for _ in range(200)]
    done = await asyncio.gather(*reading, return_exceptions=True)
    refused = [error.code for error in done if isinstance(error, NoDecision)]
    assert 100 < len(refused) < 200
    assert set(refused) == {"overloaded"}
    assert (await reader.read(AuthorizeRequest("", "t"))).tool.arguments == {}
