"""Channels to a sidecar, and how a call is made over them.

grpc has one API for threads and one for asyncio, with different types and errors. Only this module and
:mod:`tabard._stream` know both; the clients above are written once (see sdk/generate.py).
"""

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
    from tabard._decision import Decision
    from tabard.authz.v1 import types_pb2

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class _Base:
    """The part of a connection that makes no call."""

    def __init__(self, options: transport.Options) -> None:
        self.options = options

    def decision(self, message: types_pb2.Decision) -> Decision:
        """Return a decision as this client understands it."""
        return _convert.decision(message, self.options.obligations)

    def _not_ready(self, waited_seconds: float) -> errors.TabardError:
        text = f"waited {waited_seconds} s"
        return errors.from_status("UNAVAILABLE", text, "", address=self.options.address)


class Connection(_Base):
    """A channel for calls that block."""

    def __init__(self, options: transport.Options) -> None:
        super().__init__(options)
        self._channel = grpc.insecure_channel(options.address, options=CHANNEL_OPTIONS)
        self.tasks = task_grpc.TaskServiceStub(self._channel)
        self.authorization = authorization_grpc.AuthorizationServiceStub(self._channel)
        self.credentials = credential_grpc.CredentialServiceStub(self._channel)

    def close(self) -> None:
        """Close the channel; calls in flight fail."""
        self._channel.close()

    def wait_ready(self, timeout_seconds: float) -> None:
        """Wait until the sidecar accepts connections.

        Raises:
            Unavailable: it didn't within ``timeout_seconds``.
        """
        try:
            grpc.channel_ready_future(self._channel).result(timeout=timeout_seconds)
        except grpc.FutureTimeoutError:
            raise self._not_ready(timeout_seconds) from None

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


class AioConnection(_Base):
    """A channel for asyncio; belongs to the event loop that is running when it is made.

    Raises:
        InvalidRequest: no event loop is running.
    """

    def __init__(self, options: transport.Options) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            text = "call tabard.aio.connect() inside async code, or use tabard.connect()"
            raise errors.InvalidRequest("no_event_loop", text) from None
        super().__init__(options)
        self._channel = grpc.aio.insecure_channel(options.address, options=CHANNEL_OPTIONS)
        self.tasks = task_grpc.TaskServiceStub(self._channel)
        self.authorization = authorization_grpc.AuthorizationServiceStub(self._channel)
        self.credentials = credential_grpc.CredentialServiceStub(self._channel)

    async def close(self) -> None:
        """Close the channel; calls in flight fail."""
        await self._channel.close()

    async def wait_ready(self, timeout_seconds: float) -> None:
        """Wait until the sidecar accepts connections.

        Raises:
            Unavailable: it didn't within ``timeout_seconds``.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._channel.channel_ready()
        except TimeoutError:
            raise self._not_ready(timeout_seconds) from None

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


def closed(error: Exception) -> errors.Unavailable:
    """Return the error for a call on a closed client."""
    return errors.Unavailable("client_closed", f"the client is closed; connect again ({error})")
