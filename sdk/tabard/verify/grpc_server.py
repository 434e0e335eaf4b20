"""gRPC server interceptors: a handler runs only with a credential for exactly its call.

Only methods with one request message are served. A stream of requests is refused: there is no single call to compare the
credential with.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tabard.verify import _edge
from tabard.verify.errors import Rejected
from tabard.verify.model import VerifiedCredential
from tabard.verify.verifier import Verifier

ExtractGrpc = Callable[[str, Any], tuple[str, Mapping[str, Any]] | tuple[str, Mapping[str, Any], str]]
"""Says which tool call a message makes: called with the full method name and the request message."""

ERROR_DOMAIN = "tabard.dev"
_STATUS = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    503: grpc.StatusCode.UNAVAILABLE,
}
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

    def __init__(self, verifier: Verifier, extract: ExtractGrpc, public_methods: Collection[str]) -> None:
        self._verifier = verifier
        self._extract = extract
        self._public_methods = frozenset(public_methods)

    def is_public(self, method: str) -> bool:
        """Tell whether a method needs no credential."""
        return method in self._public_methods

    def verify(self, method: str, request: object, metadata: object) -> VerifiedCredential:
        """Accept a call.

        Raises:
            Rejected: it isn't acceptable.
        """
        pairs = [(str(key), value) for key, value in metadata or () if isinstance(value, str)]  # type: ignore[attr-defined]
        authenticated = self._verifier.authenticate(_edge.find_token(pairs))
        return self._verifier.authorize(authenticated, _edge.as_call(lambda: self._extract(method, request)))


class TabardInterceptor(grpc.ServerInterceptor):  # type: ignore[type-arg,unused-ignore]
    """Guards the methods of a ``grpc.server``.

    Args:
        verifier: decides which credentials are accepted.
        extract: says which tool call a message makes.
        public_methods: full names of methods that need no credential, for example ``/grpc.health.v1.Health/Check``.
    """

    def __init__(
        self, verifier: Verifier, extract: ExtractGrpc, public_methods: Collection[str] = ()
    ) -> None:
        self._guard = _Guard(verifier, extract, public_methods)

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:  # noqa: ANN401  # gRPC's own types
        """Wrap the handler of one call."""
        handler = continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or self._guard.is_public(method):
            return handler
        if handler.request_streaming:
            return _refuse_streams(handler)
        make = (
            grpc.unary_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        behaviour = (
            self._stream(handler.unary_stream, method)
            if handler.response_streaming
            else self._unary(handler.unary_unary, method)
        )
        return make(behaviour, handler.request_deserializer, handler.response_serializer)

    def _unary(self, behaviour: Callable[..., Any], method: str) -> Callable[..., Any]:
        def guarded(request: object, context: grpc.ServicerContext) -> Any:  # noqa: ANN401  # a response message
            return self._context(method, request, context).run(behaviour, request, context)

        return guarded

    def _stream(self, behaviour: Callable[..., Any], method: str) -> Callable[..., Iterator[Any]]:
        def guarded(request: object, context: grpc.ServicerContext) -> Iterator[Any]:
            inside = self._context(method, request, context)
            responses = iter(inside.run(behaviour, request, context))
            end = object()
            while (response := inside.run(next, responses, end)) is not end:
                yield response

        return guarded

    def _context(self, method: str, request: object, context: grpc.ServicerContext) -> contextvars.Context:
        try:
            credential = self._guard.verify(method, request, context.invocation_metadata())
        except Rejected as rejected:
            _edge.log_rejected(rejected)
            context.abort_with_status(_status(rejected))
        inside = contextvars.copy_context()
        inside.run(_current.set, credential)
        return inside


class AioTabardInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg,unused-ignore]
    """Guards the methods of a ``grpc.aio.server``; takes what :class:`TabardInterceptor` takes."""

    def __init__(
        self, verifier: Verifier, extract: ExtractGrpc, public_methods: Collection[str] = ()
    ) -> None:
        self._guard = _Guard(verifier, extract, public_methods)

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:  # noqa: ANN401
        """Wrap the handler of one call."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or self._guard.is_public(method):
            return handler
        if handler.request_streaming:
            return _refuse_streams(handler)
        if handler.response_streaming:
            behaviour: Any = self._stream(handler.unary_stream, method)
            make: Any = grpc.unary_stream_rpc_method_handler
        else:
            behaviour, make = self._unary(handler.unary_unary, method), grpc.unary_unary_rpc_method_handler
        return make(behaviour, handler.request_deserializer, handler.response_serializer)

    def _unary(self, behaviour: Callable[..., Any], method: str) -> Callable[..., Awaitable[Any]]:
        async def guarded(request: object, context: Any) -> Any:  # noqa: ANN401
            _current.set(await self._verify(method, request, context))
            if inspect.iscoroutinefunction(behaviour):
                return await behaviour(request, context)
            return await asyncio.to_thread(behaviour, request, context)

        return guarded

    def _stream(self, behaviour: Callable[..., Any], method: str) -> Callable[..., AsyncIterator[Any]]:
        async def guarded(request: object, context: Any) -> AsyncIterator[Any]:  # noqa: ANN401
            _current.set(await self._verify(method, request, context))
            responses = behaviour(request, context)
            if inspect.isawaitable(responses):
                await responses
            elif isinstance(responses, AsyncIterator):
                async for response in responses:
                    yield response
            else:
                for response in responses:
                    yield response

        return guarded

    async def _verify(self, method: str, request: object, context: Any) -> VerifiedCredential:  # noqa: ANN401
        try:
            return await asyncio.to_thread(self._guard.verify, method, request, context.invocation_metadata())
        except Rejected as rejected:
            _edge.log_rejected(rejected)
            status = _status(rejected)
            await context.abort(status.code, status.details, status.trailing_metadata)
            raise


def _refuse_streams(handler: Any) -> Any:  # noqa: ANN401
    message = "a stream of requests can't be guarded: each call needs a credential of its own"

    def refuse(_request: object, context: grpc.ServicerContext) -> NoReturn:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, message)
        raise AssertionError(message)

    make = (
        grpc.stream_stream_rpc_method_handler
        if handler.response_streaming
        else grpc.stream_unary_rpc_method_handler
    )
    return make(refuse, handler.request_deserializer, handler.response_serializer)


def _status(rejected: Rejected) -> Any:  # noqa: ANN401  # grpc.Status
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason=rejected.code, domain=ERROR_DOMAIN))
    code = _STATUS[rejected.status].value[0]
    return rpc_status.to_status(status_pb2.Status(code=code, message=rejected.text, details=[detail]))
