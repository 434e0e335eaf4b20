"""One channel to a sidecar with its stubs, and how a call is made over it: once for sync, once for asyncio."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

import grpc
import grpc.aio

from tabard import _convert, errors
from tabard import _transport as transport
from tabard.address import CHANNEL_OPTIONS
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import credential_service_pb2_grpc as credential_grpc
from tabard.authz.v1 import task_service_pb2_grpc as task_grpc

if TYPE_CHECKING:
    from tabard._model import Decision
    from tabard.authz.v1 import types_pb2

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class Connection:
    """A channel for calls that block."""

    def __init__(self, options: transport.Options) -> None:
        self.options = options
        self.channel = grpc.insecure_channel(options.address, options=CHANNEL_OPTIONS)
        self.tasks = task_grpc.TaskServiceStub(self.channel)
        self.authorization = authorization_grpc.AuthorizationServiceStub(self.channel)
        self.credentials = credential_grpc.CredentialServiceStub(self.channel)

    def call(
        self,
        method: grpc.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        timeout_seconds: float | None,
        *,
        repeatable: bool,
    ) -> _Response:
        """Call ``method``; repeat it where that does no harm.

        Raises:
            TabardError: it failed.
        """
        attempts = transport.Attempts(self.options, timeout_seconds, repeatable=repeatable)
        metadata = transport.trace_metadata()
        while True:
            try:
                return method(request, timeout=attempts.remaining_seconds, metadata=metadata)
            except grpc.RpcError as error:
                wait = attempts.wait_seconds(error)
            except ValueError as error:
                raise closed(error) from error
            time.sleep(wait)

    def decision(self, message: types_pb2.Decision) -> Decision:
        """Return a decision as this client understands it."""
        return _convert.decision(message, self.options.obligations)


class AioConnection:
    """A channel for asyncio; belongs to the event loop that was running when it was made."""

    def __init__(self, options: transport.Options) -> None:
        self.options = options
        self.channel = grpc.aio.insecure_channel(options.address, options=CHANNEL_OPTIONS)
        self.tasks = task_grpc.TaskServiceStub(self.channel)
        self.authorization = authorization_grpc.AuthorizationServiceStub(self.channel)
        self.credentials = credential_grpc.CredentialServiceStub(self.channel)

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        timeout_seconds: float | None,
        *,
        repeatable: bool,
    ) -> _Response:
        """Call ``method``; repeat it where that does no harm.

        Raises:
            TabardError: it failed.
        """
        attempts = transport.Attempts(self.options, timeout_seconds, repeatable=repeatable)
        metadata = transport.trace_metadata()
        while True:
            try:
                return await method(request, timeout=attempts.remaining_seconds, metadata=metadata)
            except grpc.RpcError as error:
                wait = attempts.wait_seconds(error)
            except grpc.aio.UsageError as error:
                raise closed(error) from error
            await asyncio.sleep(wait)

    def decision(self, message: types_pb2.Decision) -> Decision:
        """Return a decision as this client understands it."""
        return _convert.decision(message, self.options.obligations)


def closed(error: Exception) -> errors.Unavailable:
    """Return the error for a call on a closed client."""
    return errors.Unavailable("client_closed", f"the client is closed; connect again ({error})")
