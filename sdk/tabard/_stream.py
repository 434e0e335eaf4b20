"""Tasks that ask about many calls over one stream. A correlation id joins each answer to its request."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from tabard import _convert, errors
from tabard import _transport as transport
from tabard._connection import closed
from tabard._task import TaskBase
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb

if TYPE_CHECKING:
    from tabard._connection import AioConnection, Connection
    from tabard._decision import Decision
    from tabard._model import TaskInfo, ToolCall


class StreamingTask(TaskBase):
    """A task of a blocking client."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection, grant: str, info: TaskInfo | None) -> None:
        super().__init__(grant, info)
        self._connection = connection

    @property
    def connection(self) -> Connection:
        """The connection that the task makes its calls through."""
        return self._connection

    def stream(
        self, calls: Iterable[ToolCall], *, max_in_flight: int = 64, timeout_seconds: float = 300.0
    ) -> Iterator[tuple[ToolCall, Decision]]:
        """Ask about calls as ``calls`` yields them; answers come in the order in which they are made.

        Args:
            calls: the calls; read from another thread.
            max_in_flight: calls without an answer at any time.
            timeout_seconds: deadline of the stream as a whole.

        Raises:
            TabardError: the stream broke; calls without an answer are not allowed.
        """
        return _stream(self._connection, self._grant, calls, max_in_flight, timeout_seconds)


class AioStreamingTask(TaskBase):
    """A task of an asyncio client."""

    __slots__ = ("_connection",)

    def __init__(self, connection: AioConnection, grant: str, info: TaskInfo | None) -> None:
        super().__init__(grant, info)
        self._connection = connection

    @property
    def connection(self) -> AioConnection:
        """The connection that the task makes its calls through."""
        return self._connection

    def stream(
        self,
        calls: Iterable[ToolCall] | AsyncIterable[ToolCall],
        *,
        max_in_flight: int = 64,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[tuple[ToolCall, Decision]]:
        """Ask about calls as ``calls`` yields them; answers come in the order in which they are made.

        Args:
            calls: the calls.
            max_in_flight: calls without an answer at any time.
            timeout_seconds: longest time that a call may wait for its answer; by default the client's.

        Raises:
            TabardError: the stream broke; calls without an answer are not allowed.
        """
        timeout_seconds = timeout_seconds or self._connection.options.timeout_seconds
        return _aio_stream(self._connection, self._grant, calls, max_in_flight, timeout_seconds)


class _PendingCalls:
    """The calls of a stream that have no answer yet."""

    def __init__(self, grant: str, obligations: frozenset[str]) -> None:
        self._grant = grant
        self._obligations = obligations
        self._pending: dict[str, tuple[ToolCall, float]] = {}
        self._ids = itertools.count(1)

    def ask(self, call: ToolCall) -> authorization_pb.StreamAuthorizeRequest:
        """Return the message that asks about ``call``."""
        request = _convert.call_message(self._grant, call)
        correlation_id = str(next(self._ids))
        self._pending[correlation_id] = (call, time.monotonic())
        return authorization_pb.StreamAuthorizeRequest(correlation_id=correlation_id, request=request)

    def answer(self, message: authorization_pb.StreamAuthorizeResponse) -> tuple[ToolCall, Decision]:
        """Return an answer with its call.

        Raises:
            Unavailable: no pending call has its correlation id.
        """
        pending = self._pending.pop(message.correlation_id, None)
        if pending is None:
            raise errors.Unavailable("stream_mismatch", "the sidecar answered a request that was not made")
        return pending[0], _convert.result(message.result, self._obligations)

    def overdue(self, timeout_seconds: float) -> bool:
        """Tell whether the oldest pending call has waited for ``timeout_seconds``."""
        oldest = next(iter(self._pending.values()), None)
        return oldest is not None and time.monotonic() - oldest[1] >= timeout_seconds

    def check_all_answered(self) -> None:
        """Check that no call is pending.

        Raises:
            Unavailable: a call has no answer.
        """
        if self._pending:
            text = f"the stream ended with {len(self._pending)} calls unanswered; none of them is allowed"
            raise errors.Unavailable("stream_ended", text)


class _Source:
    """Feeds a blocking stream from the thread that grpc reads requests in, at most ``max_in_flight`` calls ahead."""

    def __init__(self, pending: _PendingCalls, calls: Iterable[ToolCall], max_in_flight: int) -> None:
        self._pending = pending
        self._calls = calls
        self._room = threading.Semaphore(max_in_flight)
        self._stopped = False
        self.failure: Exception | None = None

    def messages(self) -> Iterator[authorization_pb.StreamAuthorizeRequest]:
        """Yield the requests. An exception of the calls' iterator ends them and is kept in ``failure``."""
        try:
            for call in self._calls:
                self._room.acquire()
                if self._stopped:
                    return
                yield self._pending.ask(call)
        except Exception as error:  # noqa: BLE001  # raised again in the thread that reads the answers
            self.failure = error

    def answered(self) -> None:
        """Make room for another call."""
        self._room.release()

    def stop(self) -> None:
        """Let the thread end."""
        self._stopped = True
        self._room.release()


def _stream(
    connection: Connection,
    grant: str,
    calls: Iterable[ToolCall],
    max_in_flight: int,
    timeout_seconds: float,
) -> Iterator[tuple[ToolCall, Decision]]:
    pending = _PendingCalls(grant, connection.options.obligations)
    source = _Source(pending, calls, max_in_flight)
    try:
        stream = connection.authorization.StreamAuthorize(
            source.messages(), timeout=timeout_seconds, metadata=transport.trace_metadata()
        )
    except ValueError as error:
        raise closed(error) from error
    try:
        for message in stream:
            answer = pending.answer(message)
            source.answered()
            yield answer
        if source.failure is not None:
            raise source.failure
        pending.check_all_answered()
    except grpc.RpcError as error:
        raise source.failure or errors.from_rpc(error, connection.options.address) from None
    finally:
        source.stop()
        stream.cancel()


async def _aio_stream(
    connection: AioConnection,
    grant: str,
    calls: Iterable[ToolCall] | AsyncIterable[ToolCall],
    max_in_flight: int,
    timeout_seconds: float,
) -> AsyncIterator[tuple[ToolCall, Decision]]:
    pending = _PendingCalls(grant, connection.options.obligations)
    room = asyncio.Semaphore(max_in_flight)
    stream = connection.authorization.StreamAuthorize(metadata=transport.trace_metadata())

    async def feed() -> None:
        async for call in _each(calls):
            await room.acquire()
            await stream.write(pending.ask(call))
        await stream.done_writing()

    feeder = asyncio.create_task(feed())
    try:
        while True:
            message = await _read(stream, feeder, pending, timeout_seconds)
            if message is None:
                break
            room.release()
            yield pending.answer(message)
        await feeder
        pending.check_all_answered()
    except grpc.RpcError as error:
        raise errors.from_rpc(error, connection.options.address) from None
    finally:
        feeder.cancel()
        stream.cancel()
        await asyncio.gather(feeder, return_exceptions=True)


async def _read(
    stream: grpc.aio.StreamStreamCall[
        authorization_pb.StreamAuthorizeRequest, authorization_pb.StreamAuthorizeResponse
    ],
    feeder: asyncio.Task[None],
    pending: _PendingCalls,
    timeout_seconds: float,
) -> authorization_pb.StreamAuthorizeResponse | None:
    """Return the next answer, ``None`` at the end.

    Raises:
        Unavailable: a call has waited for ``timeout_seconds``. Exceptions of the feeder are raised as they are.
    """
    reading = asyncio.ensure_future(stream.read())
    try:
        while True:
            waiting = {reading} if feeder.done() else {reading, feeder}
            await asyncio.wait(waiting, timeout=timeout_seconds / 4, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                message = reading.result()
                return message if isinstance(message, authorization_pb.StreamAuthorizeResponse) else None
            if feeder.done():
                feeder.result()
            if pending.overdue(timeout_seconds):
                text = "the sidecar left a call of the stream unanswered for too long"
                raise errors.Unavailable("deadline_exceeded", text)
    finally:
        reading.cancel()


async def _each(calls: Iterable[ToolCall] | AsyncIterable[ToolCall]) -> AsyncIterator[ToolCall]:
    if isinstance(calls, AsyncIterable):
        async for call in calls:
            yield call
    else:
        for call in calls:
            yield call
