"""A sidecar that doesn't keep to the protocol never makes a client allow anything."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import tabard
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import types_pb2

ALLOW = types_pb2.Decision(effect=types_pb2.EFFECT_ALLOW)
RESULT = authorization_pb.AuthorizeResult(decision=ALLOW)
CALLS = [tabard.ToolCall("t"), tabard.ToolCall("t")]


class Odd(authorization_grpc.AuthorizationServiceServicer):
    """Answers as the test sets."""

    results = ()
    ids = ()
    abort = None

    def Authorize(self, request, context):  # noqa: N802, ARG002
        self.abort(context)

    def BatchAuthorize(self, request, context):  # noqa: N802, ARG002
        return authorization_pb.BatchAuthorizeResponse(results=self.results)

    def StreamAuthorize(self, request_iterator, context):  # noqa: N802, ARG002
        for _, correlation_id in zip(request_iterator, self.ids, strict=False):
            yield authorization_pb.StreamAuthorizeResponse(correlation_id=correlation_id, result=RESULT)


@pytest.fixture
def odd():
    return Odd()


@pytest.fixture
def address(odd, tmp_path):
    server = grpc.server(ThreadPoolExecutor(4))
    authorization_grpc.add_AuthorizationServiceServicer_to_server(odd, server)
    address = f"unix:{tmp_path}/s"
    server.add_insecure_port(address)
    server.start()
    yield address
    server.stop(None).wait()


@pytest.fixture
def task(address):
    with tabard.connect(address) as client:
        yield client.task("grant")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_batch_with_another_number_of_answers_allows_nothing(task, odd, count):
    odd.results = [RESULT] * count
    with pytest.raises(tabard.Unavailable, match="of 2 calls"):
        task.batch(CALLS)


def test_an_empty_answer_in_a_batch_is_a_deny(task, odd):
    odd.results = [authorization_pb.AuthorizeResult(), RESULT]
    assert [bool(decision) for decision in task.batch(CALLS)] == [False, True]


@pytest.mark.parametrize("ids", [["7", "2"], ["1", "1"], ["1"], []])
def test_a_stream_with_answers_to_other_requests_fails(task, odd, ids):
    odd.ids = ids
    with pytest.raises(tabard.Unavailable):
        list(task.stream(CALLS))


@pytest.mark.parametrize("ids", [["7", "2"], ["1", "1"], ["1"], []])
async def test_an_asyncio_stream_with_answers_to_other_requests_fails(address, odd, ids):
    odd.ids = ids
    async with tabard.aio.connect(address) as client:
        with pytest.raises(tabard.Unavailable):
            async for _ in client.task("grant").stream(CALLS):
                pass


def _status(*details):
    status = status_pb2.Status(code=grpc.StatusCode.INTERNAL.value[0], message="odd", details=details)
    return lambda context: context.abort_with_status(rpc_status.to_status(status))


def _any(message, *, broken=False):
    packed = any_pb2.Any()
    packed.Pack(message)
    return any_pb2.Any(type_url=packed.type_url, value=b"\xff\xff") if broken else packed


FOREIGN = error_details_pb2.ErrorInfo(reason="foreign", domain="example.com")
OURS = error_details_pb2.ErrorInfo(reason="ours", domain="tabard.dev", metadata={"next_step": "Do this."})


@pytest.mark.parametrize(
    ("abort", "code"),
    [
        (_status(), "rpc_failed"),
        (_status(_any(FOREIGN)), "rpc_failed"),
        (_status(_any(FOREIGN), _any(OURS)), "ours"),
        (_status(_any(OURS, broken=True)), "rpc_failed"),
        (_status(_any(error_details_pb2.RetryInfo())), "rpc_failed"),
        (lambda context: context.abort(grpc.StatusCode.INTERNAL, ""), "rpc_failed"),
    ],
    ids=["none", "foreign", "foreign and ours", "broken", "another kind", "plain"],
)
def test_only_details_of_our_own_domain_are_believed(task, odd, abort, code):
    odd.abort = abort
    with pytest.raises(tabard.Unavailable) as caught:
        task.authorize("t")
    assert caught.value.code == code


def test_malformed_details_are_survived(task, odd):
    def abort(context):
        context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff\xff"),))
        context.abort(grpc.StatusCode.INTERNAL, "odd")

    odd.abort = abort
    with pytest.raises(tabard.Unavailable, match="gRPC status INTERNAL: odd") as caught:
        task.authorize("t")
    assert caught.value.code == "rpc_failed"


def test_a_next_step_is_shown(task, odd):
    odd.abort = _status(_any(OURS))
    with pytest.raises(tabard.Unavailable, match=r"odd\. Do this\."):
        task.authorize("t")


def test_what_is_too_large_to_send_is_the_callers_mistake(task):
    with pytest.raises(tabard.InvalidRequest) as caught:
        task.authorize("t", {"x": "a" * (5 << 20)})
    assert caught.value.code == "request_too_large"


def test_what_is_not_offered_yet_is_said_so(task):
    with pytest.raises(tabard.InvalidRequest) as caught:
        task.filter_tools(["t"])
    assert caught.value.code == "unimplemented"
