"""gRPC server interceptors: a handler runs only with a credential for exactly its call.

Only methods with one request message are served. A stream of requests is refused: there is no single call to compare the
credential with.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tabard.verify import _edge
from tabard.verify.calls import NO_CREDENTIAL, CredentialOptional, GrpcCalls, check_operation
from tabard.verify.errors import Rejected
from tabard.verify.model import VerifiedCredential
from tabard.verify.request import GrpcRequest
from tabard.verify.verifier import Verifier

ERROR_DOMAIN = "tabard.dev"
_STATUS = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    503: grpc.StatusCode.UNAVAILABLE,
}
_SLASHES = 2
_current: contextvars.ContextVar[VerifiedCredential | None] = contextvars.ContextVar(
    "tabard_verified", default=None
)


def verified() -> VerifiedCredential:
    """Return the verified credential of the call that is being handled.

    Raises:
        LookupError: the call wasn't guarded.
    """
    credential = _current.get()
    if credential is None:
        message = "no verified call is being handled here"
        raise LookupError(message)
    return credential


class _Guard:
    """The checks that both interceptors make."""

    def __init__(self, verifier: Verifier, calls: GrpcCalls) -> None:
        self._verifier = verifier
        for method, operation in calls.items():
            check_operation(method, operation)
            if method.count("/") != _SLASHES or not method.startswith("/"):
                message = f"{method} is no full method name such as /shop.Refunds/Create"
                raise ValueError(message)
        self._calls = dict(calls)

    def is_public(self, method: str) -> bool:
        """Tell whether a method needs no credential."""
        return self._calls.get(method) is NO_CREDENTIAL

    def refusing(self, method: str, handler: Any) -> Any:  # noqa: ANN401  # gRPC's own types
        """Return a handler that refuses every call of a method that can't be called; ``None`` if it can."""
        if method not in self._calls:
            rejected = Rejected("operation_unknown", f"no extractor for {method[:200]!r}")
            return _refusing(handler, lambda _request, context: _abort(rejected, context))
        return _refusing(handler, _refuse_stream) if handler.request_streaming else None

    def verify(self, method: str, message: object, metadata: object) -> VerifiedCredential | None:
        """Accept a call; return ``None`` if it needs no credential.

        Raises:
            Rejected: it isn't acceptable.
        """
        operation = self._calls[method]
        pairs = [(str(key), value) for key, value in metadata or () if isinstance(value, str)]  # type: ignore[attr-defined]
        try:
            authenticated = self._verifier.authenticate(_edge.find_token(pairs))
        except Rejected as rejected:
            if rejected.code != "credential_missing" or not isinstance(operation, CredentialOptional):
                raise
            authenticated = None
        call = _edge.read_call(operation, GrpcRequest(method, message, pairs), authenticated)
        return _edge.accept(self._verifier, authenticated, call)


class TabardInterceptor(grpc.ServerInterceptor):  # type: ignore[type-arg,unused-ignore]
    """Guards the methods of a ``grpc.server``. A method that ``calls`` doesn't name is refused.

    Args:
        verifier: decides which credentials are accepted.
        calls: for each full method name, such as ``/shop.Refunds/Create``, a function that says which tool call a request
            makes, or ``NO_CREDENTIAL``.

    Raises:
        ValueError: a name or an extractor is malformed.
    """

    def __init__(self, verifier: Verifier, calls: GrpcCalls) -> None:
        self._guard = _Guard(verifier, calls)

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:  # noqa: ANN401  # gRPC's own types
        """Wrap the handler of one call."""
        handler = continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or self._guard.is_public(method):
            return handler
        return self._guard.refusing(method, handler) or _guarded(self._guard, method, handler)


class AioTabardInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg,unused-ignore]
    """Guards the methods of a ``grpc.aio.server``; takes what :class:`TabardInterceptor` takes."""

    def __init__(self, verifier: Verifier, calls: GrpcCalls) -> None:
        self._guard = _Guard(verifier, calls)

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:  # noqa: ANN401
        """Wrap the handler of one call."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or self._guard.is_public(method):
            return handler
        refusing = self._guard.refusing(method, handler)
        if refusing is not None:
            return refusing
        behaviour = handler.unary_stream if handler.response_streaming else handler.unary_unary
        # As gRPC itself tells them apart: it runs the others in threads, with a context whose abort ends them.
        if not inspect.iscoroutinefunction(behaviour) and not inspect.isasyncgenfunction(behaviour):
            return _guarded(self._guard, method, handler)
        wrap = self._stream if handler.response_streaming else self._unary
        return _like(handler, wrap(behaviour, method))

    def _unary(self, behaviour: Callable[..., Any], method: str) -> Callable[..., Any]:
        async def guarded(request: object, context: Any) -> Any:  # noqa: ANN401
            _current.set(await self._verify(method, request, context))
            return await behaviour(request, context)

        return guarded

    def _stream(self, behaviour: Callable[..., Any], method: str) -> Callable[..., Any]:
        is_coroutine = inspect.iscoroutinefunction(behaviour)

        async def guarded(request: object, context: Any) -> AsyncIterator[Any]:  # noqa: ANN401
            _current.set(await self._verify(method, request, context))
            if is_coroutine:
                await behaviour(request, context)  # it writes to the context
                return
            async for response in behaviour(request, context):
                yield response

        return guarded

    async def _verify(self, method: str, request: object, context: Any) -> VerifiedCredential | None:  # noqa: ANN401
        try:
            return await asyncio.to_thread(self._guard.verify, method, request, context.invocation_metadata())
        except Rejected as rejected:
            _edge.log_rejected(rejected)
            status = _status(rejected)
            await context.abort(status.code, status.details, status.trailing_metadata)
            raise


def _guarded(guard: _Guard, method: str, handler: Any) -> Any:  # noqa: ANN401
    """Return a synchronous handler that runs only for calls that are accepted."""

    def inside_of(request: object, context: grpc.ServicerContext) -> contextvars.Context:
        try:
            credential = guard.verify(method, request, context.invocation_metadata())
        except Rejected as rejected:
            _abort(rejected, context)
        inside = contextvars.copy_context()
        inside.run(_current.set, credential)
        return inside

    def unary(request: object, context: grpc.ServicerContext) -> Any:  # noqa: ANN401  # a response message
        return inside_of(request, context).run(handler.unary_unary, request, context)

    def stream(request: object, context: grpc.ServicerContext) -> Iterator[Any]:
        inside = inside_of(request, context)
        responses = iter(inside.run(handler.unary_stream, request, context))
        end = object()
        while (response := inside.run(next, responses, end)) is not end:
            yield response

    return _like(handler, stream if handler.response_streaming else unary)


def _refusing(handler: Any, refuse: Callable[..., NoReturn]) -> Any:  # noqa: ANN401
    """Return a handler of the same kind that refuses each call."""

    # A generator: asyncio servers run its body in a thread. A plain function would run, and wait, on the event loop.
    def stream(request: object, context: grpc.ServicerContext) -> Iterator[Any]:
        refuse(request, context)
        yield

    return _like(handler, stream if handler.response_streaming else refuse)


def _like(handler: Any, behaviour: Callable[..., Any]) -> Any:  # noqa: ANN401
    """Return a handler of the same kind with another behaviour."""
    kinds = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    make: Any = kinds[bool(handler.request_streaming), bool(handler.response_streaming)]
    return make(behaviour, handler.request_deserializer, handler.response_serializer)


def _abort(rejected: Rejected, context: grpc.ServicerContext) -> NoReturn:
    """Refuse a call from a synchronous handler; asyncio servers run these too, with a smaller context."""
    _edge.log_rejected(rejected)
    status = _status(rejected)
    context.set_trailing_metadata(status.trailing_metadata)
    context.abort(status.code, status.details)
    raise rejected


def _refuse_stream(_request: object, context: grpc.ServicerContext) -> NoReturn:
    message = "a stream of requests can't be guarded: each call needs a credential of its own"
    context.abort(grpc.StatusCode.UNIMPLEMENTED, message)
    raise AssertionError(message)


def _status(rejected: Rejected) -> Any:  # noqa: ANN401  # grpc.Status
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason=rejected.code, domain=ERROR_DOMAIN))
    code = _STATUS[rejected.status].value[0]
    return rpc_status.to_status(status_pb2.Status(code=code, message=rejected.text, details=[detail]))
