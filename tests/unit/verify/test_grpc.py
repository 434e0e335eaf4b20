"""The gRPC interceptors in front of real servers, sync and asyncio."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from tabard.verify import NO_CREDENTIAL, CredentialOptional
from tabard.verify.grpc_server import AioTabardInterceptor, TabardInterceptor, verified

ARGUMENTS = {"amount": 20}
MESSAGE = json.dumps(ARGUMENTS).encode()


def extract(request):
    """Messages are JSON here; the method names the tool."""
    return request.method.rpartition("/")[2], json.loads(request.message)


GUARDED = ("Unary", "Stream", "Many", "Both", "Written", "Threaded", "ThreadedStream", "Absent")
CALLS = {f"/test.Backend/{name}": extract for name in GUARDED} | {"/test.Backend/Open": NO_CREDENTIAL}


def _unary(request, context):
    return verified().subject.id.encode()


def _never(request, context):
    pytest.fail("a method that no extractor names ran")


def _stream(request, context):
    for number in range(3):
        yield f"{number} {verified().purpose}".encode()


def _open(request, context):
    with pytest.raises(LookupError):
        verified()
    return b"open"


async def _aio_unary(request, context):
    return _unary(request, context)


async def _aio_stream(request, context):
    for item in _stream(request, context):
        yield item


async def _aio_written(request, context):
    await context.write(verified().purpose.encode())


async def _aio_open(request, context):
    return _open(request, context)


def handlers(*, aio):
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(_aio_unary if aio else _unary),
        "Stream": grpc.unary_stream_rpc_method_handler(_aio_stream if aio else _stream),
        "Open": grpc.unary_unary_rpc_method_handler(_aio_open if aio else _open),
        "Many": grpc.stream_unary_rpc_method_handler(lambda *_: b""),
        "Both": grpc.stream_stream_rpc_method_handler(lambda *_: iter(())),
        "Unlisted": grpc.unary_unary_rpc_method_handler(_never),
        "UnlistedOut": grpc.unary_stream_rpc_method_handler(_never),
        "UnlistedIn": grpc.stream_unary_rpc_method_handler(_never),
        "UnlistedBoth": grpc.stream_stream_rpc_method_handler(_never),
    }
    if aio:
        methods["Written"] = grpc.unary_stream_rpc_method_handler(_aio_written)
        methods["Threaded"] = grpc.unary_unary_rpc_method_handler(_unary)
        methods["ThreadedStream"] = grpc.unary_stream_rpc_method_handler(_stream)
    return grpc.method_handlers_generic_handler("test.Backend", methods)


@contextmanager
def serve(verifier, tmp_path):
    interceptor = TabardInterceptor(verifier, CALLS)
    server = grpc.server(ThreadPoolExecutor(4), interceptors=[interceptor])
    server.add_generic_rpc_handlers([handlers(aio=False)])
    address = f"unix:{tmp_path}/backend.sock"
    server.add_insecure_port(address)
    server.start()
    with grpc.insecure_channel(address) as channel:
        yield channel
    server.stop(None).wait()


@asynccontextmanager
async def serve_aio(verifier, tmp_path):
    interceptor = AioTabardInterceptor(verifier, CALLS)
    server = grpc.aio.server(interceptors=[interceptor])
    server.add_generic_rpc_handlers([handlers(aio=True)])
    address = f"unix:{tmp_path}/backend.sock"
    server.add_insecure_port(address)
    await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        yield channel
    await server.stop(None)


def metadata(token):
    return (("authorization", f"Bearer {token}"),)


def reason_of(error):
    """Return status and ErrorInfo reason of a failed call."""
    pairs = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(pairs["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "tabard.dev"
    return error.code().name, info.reason


async def unsent():
    """Send nothing: a message on its way when the server refuses can end the call with an error of gRPC's own instead."""
    await asyncio.Event().wait()
    yield MESSAGE


CASES = [
    ({}, MESSAGE, None),
    ({}, b'{"amount": 21}', ("PERMISSION_DENIED", "arguments_mismatch")),
    ({"aud": "orders"}, MESSAGE, ("UNAUTHENTICATED", "credential_audience")),
    ({"exp": 1}, MESSAGE, ("UNAUTHENTICATED", "credential_expired")),
    ({}, b"not json", ("INVALID_ARGUMENT", "call_unreadable")),
]


@pytest.mark.parametrize("case", CASES)
def test_sync_handlers_run_only_for_the_call_that_was_decided_about(verifier, issuer, tmp_path, case):
    options, message, expected = case
    with serve(verifier, tmp_path) as channel:
        call = channel.unary_unary("/test.Backend/Unary")
        token = issuer.jwt("Unary", ARGUMENTS, **options)
        if expected is None:
            assert call(message, metadata=metadata(token)) == b"fake-subject"
            return
        with pytest.raises(grpc.RpcError) as caught:
            call(message, metadata=metadata(token))
        assert reason_of(caught.value) == expected


def test_sync_streams_of_responses_public_methods_and_everything_else(verifier, issuer, tmp_path):
    """Streams of responses are guarded, public methods are open, and other kinds of calls are refused."""
    with serve(verifier, tmp_path) as channel:
        token = issuer.macaroon("Stream", ARGUMENTS, single_use=True)
        call = channel.unary_stream("/test.Backend/Stream")
        assert list(call(MESSAGE, metadata=metadata(token))) == [b"0 testing", b"1 testing", b"2 testing"]
        with pytest.raises(grpc.RpcError) as caught:
            list(call(MESSAGE, metadata=metadata(token)))
        assert reason_of(caught.value) == ("UNAUTHENTICATED", "credential_used")
        assert channel.unary_unary("/test.Backend/Open")(b"") == b"open"
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/test.Backend/Unary")(MESSAGE)
        assert reason_of(caught.value) == ("UNAUTHENTICATED", "credential_missing")
        with pytest.raises(grpc.RpcError, match="stream of requests"):
            channel.stream_unary("/test.Backend/Many")(iter([MESSAGE]), metadata=metadata(token))
        with pytest.raises(grpc.RpcError, match="stream of requests"):
            list(channel.stream_stream("/test.Backend/Both")(iter([MESSAGE]), metadata=metadata(token)))
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/test.Backend/Absent")(MESSAGE)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("case", CASES)
async def test_aio_handlers_run_only_for_the_call_that_was_decided_about(verifier, issuer, tmp_path, case):
    options, message, expected = case
    async with serve_aio(verifier, tmp_path) as channel:
        call = channel.unary_unary("/test.Backend/Unary")
        token = issuer.jwt("Unary", ARGUMENTS, **options)
        if expected is None:
            assert await call(message, metadata=metadata(token)) == b"fake-subject"
            return
        with pytest.raises(grpc.RpcError) as caught:
            await call(message, metadata=metadata(token))
        assert reason_of(caught.value) == expected


@pytest.mark.parametrize("name", ["Stream", "ThreadedStream"])
async def test_aio_streams_of_responses(verifier, issuer, tmp_path, name):
    """Streams of responses are guarded by the asynchronous interceptor, too."""
    async with serve_aio(verifier, tmp_path) as channel:
        call = channel.unary_stream(f"/test.Backend/{name}")
        token = issuer.jwt(name, ARGUMENTS)
        answers = [answer async for answer in call(MESSAGE, metadata=metadata(token))]
        assert answers == [b"0 testing", b"1 testing", b"2 testing"]
        with pytest.raises(grpc.RpcError) as caught:
            [answer async for answer in call(b"{}", metadata=metadata(token))]
        assert reason_of(caught.value) == ("PERMISSION_DENIED", "arguments_mismatch")


async def test_aio_public_methods_and_everything_else(verifier, issuer, tmp_path):
    """Public methods are open, handlers of every kind are guarded, and streams of requests are refused."""
    async with serve_aio(verifier, tmp_path) as channel:
        assert await channel.unary_unary("/test.Backend/Open")(b"") == b"open"
        token = issuer.jwt("Threaded", ARGUMENTS)
        call = channel.unary_unary("/test.Backend/Threaded")
        assert await call(MESSAGE, metadata=metadata(token)) == b"fake-subject"
        written = channel.unary_stream("/test.Backend/Written")
        token = issuer.jwt("Written", ARGUMENTS)
        assert [answer async for answer in written(MESSAGE, metadata=metadata(token))] == [b"testing"]
        with pytest.raises(grpc.RpcError, match="stream of requests"):
            await channel.stream_unary("/test.Backend/Many")(unsent())
        with pytest.raises(grpc.RpcError, match="stream of requests"):
            [answer async for answer in channel.stream_stream("/test.Backend/Both")(unsent())]
        assert await channel.unary_unary("/test.Backend/Open")(b"") == b"open"


async def test_aio_methods_that_no_extractor_names_are_refused(verifier, issuer, tmp_path):
    """Whatever streams they have, and whatever credential comes along."""
    async with serve_aio(verifier, tmp_path) as channel:
        token = metadata(issuer.jwt("Unary", ARGUMENTS))
        calls = [
            channel.unary_unary("/test.Backend/Unlisted")(MESSAGE, metadata=token),
            channel.stream_unary("/test.Backend/UnlistedIn")(unsent(), metadata=token),
            channel.unary_stream("/test.Backend/UnlistedOut")(MESSAGE, metadata=token),
            channel.stream_stream("/test.Backend/UnlistedBoth")(unsent(), metadata=token),
        ]
        for call in calls:
            with pytest.raises(grpc.RpcError) as caught:
                [answer async for answer in call] if hasattr(call, "__aiter__") else await call
            assert reason_of(caught.value) == ("PERMISSION_DENIED", "operation_unknown")


async def test_a_synchronous_handler_of_an_aio_server_can_end_its_call(verifier, issuer, tmp_path):
    """It runs in a thread, so that it doesn't block the others, and abort ends it."""
    ran = []

    def unary(request, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "no such order")
        ran.append("after abort")

    def stream(request, context):
        ran.append(threading.current_thread() is threading.main_thread())
        # Before the first message: gRPC doesn't wait for a message on its way when a thread aborts.
        context.abort(grpc.StatusCode.NOT_FOUND, "no such order")
        yield b"after abort"

    calls = {"/test.Backend/Unary": extract, "/test.Backend/Stream": extract}
    server = grpc.aio.server(interceptors=[AioTabardInterceptor(verifier, calls)])
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Stream": grpc.unary_stream_rpc_method_handler(stream),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Backend", methods)])
    address = f"unix:{tmp_path}/backend.sock"
    server.add_insecure_port(address)
    await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.RpcError, match="no such order"):
            await channel.unary_unary("/test.Backend/Unary")(
                MESSAGE, metadata=metadata(issuer.jwt("Unary", ARGUMENTS))
            )
        call = channel.unary_stream("/test.Backend/Stream")(
            MESSAGE, metadata=metadata(issuer.jwt("Stream", ARGUMENTS))
        )
        with pytest.raises(grpc.RpcError, match="no such order"):
            [answer async for answer in call]
    await server.stop(None)
    assert ran == [False]


async def test_an_optional_credential_and_repeated_metadata(verifier, issuer, tmp_path):
    def extract(request):
        if request.message == b"ping":
            return NO_CREDENTIAL
        return "Unary", {"order": request.metadata["x-order"]}

    interceptor = AioTabardInterceptor(verifier, {"/test.Backend/Threaded": CredentialOptional(extract)})
    server = grpc.aio.server(interceptors=[interceptor])

    def answer(request, context):
        return b"pong" if request == b"ping" else verified().arguments["order"].encode()

    handler = {"Threaded": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Backend", handler)])
    address = f"unix:{tmp_path}/backend.sock"
    server.add_insecure_port(address)
    await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary("/test.Backend/Threaded")
        token = metadata(issuer.jwt("Unary", {"order": "A"}))
        assert await call(b"ping") == b"pong"
        assert await call(b"pay", metadata=(*token, ("x-order", "A"))) == b"A"
        for extra, reason in (
            ((), "call_unreadable"),
            ((("x-order", "A"), ("x-order", "B")), "call_unreadable"),
            ((("x-order", "B"),), "arguments_mismatch"),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                await call(b"pay", metadata=(*token, *extra))
            assert reason_of(caught.value)[1] == reason
        with pytest.raises(grpc.RpcError) as caught:
            await call(b"pay", metadata=(("x-order", "A"),))
        assert reason_of(caught.value) == ("UNAUTHENTICATED", "credential_missing")
    await server.stop(None)


@pytest.mark.parametrize(
    "calls", [{"shop.Refunds/Create": extract}, {"/Create": extract}, {"/a/b": "tool"}, {"/a/b": None}]
)
def test_methods_that_could_not_be_meant_are_refused(verifier, calls):
    with pytest.raises(ValueError, match=r"full method name|no extractor"):
        TabardInterceptor(verifier, calls)
