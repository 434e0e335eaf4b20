"""Streams of questions: many in flight, each answer joined to its question by an id of our own."""

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
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb

if TYPE_CHECKING:
    from tabard._connection import AioConnection, Connection
    from tabard._model import Decision, ToolCall


class _Questions:
    """Questions that have no answer yet."""

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
        """Return an answer with its question.

        Raises:
            Unavailable: nobody asked that, or it has been answered.
        """
        pending = self._pending.pop(message.correlation_id, None)
        if pending is None:
            raise errors.Unavailable("stream_mismatch", "the sidecar answered a question that nobody asked")
        return pending[0], _convert.result(message.result, self._obligations)

    def overdue(self, timeout_seconds: float) -> bool:
        """Tell whether the oldest question has waited longer than that."""
        oldest = next(iter(self._pending.values()), None)
        return oldest is not None and time.monotonic() - oldest[1] >= timeout_seconds

    def check_all_answered(self) -> None:
        """Make sure that nothing is open.

        Raises:
            Unavailable: a question has no answer.
        """
        if self._pending:
            text = f"the stream ended with {len(self._pending)} calls unanswered; none of them is allowed"
            raise errors.Unavailable("stream_ended", text)


class _Source:
    """Feeds a blocking stream from its own thread, never more than ``max_in_flight`` questions ahead."""

    def __init__(self, questions: _Questions, calls: Iterable[ToolCall], max_in_flight: int) -> None:
        self._questions = questions
        self._calls = calls
        self._room = threading.Semaphore(max_in_flight)
        self._stopped = False
        self.failure: Exception | None = None

    def messages(self) -> Iterator[authorization_pb.StreamAuthorizeRequest]:
        """Yield the questions; whatever the calls' iterator raises ends them and is kept in ``failure``."""
        try:
            for call in self._calls:
                self._room.acquire()
                if self._stopped:
                    return
                yield self._questions.ask(call)
        except Exception as error:  # noqa: BLE001  # raised again in the thread that reads the answers
            self.failure = error

    def answered(self) -> None:
        """Make room for another question."""
        self._room.release()

    def stop(self) -> None:
        """Let the thread end."""
        self._stopped = True
        self._room.release()


def sync_stream(
    connection: Connection,
    grant: str,
    calls: Iterable[ToolCall],
    max_in_flight: int,
    timeout_seconds: float,
) -> Iterator[tuple[ToolCall, Decision]]:
    """Yield calls with their decisions, as the decisions are made."""
    questions = _Questions(grant, connection.options.obligations)
    source = _Source(questions, calls, max_in_flight)
    try:
        stream = connection.authorization.StreamAuthorize(
            source.messages(), timeout=timeout_seconds, metadata=transport.trace_metadata()
        )
    except ValueError as error:
        raise closed(error) from error
    try:
        for message in stream:
            answer = questions.answer(message)
            source.answered()
            yield answer
        if source.failure is not None:
            raise source.failure
        questions.check_all_answered()
    except grpc.RpcError as error:
        raise source.failure or errors.from_rpc(error, connection.options.address) from None
    finally:
        source.stop()
        stream.cancel()


async def aio_stream(
    connection: AioConnection,
    grant: str,
    calls: Iterable[ToolCall] | AsyncIterable[ToolCall],
    max_in_flight: int,
    timeout_seconds: float,
) -> AsyncIterator[tuple[ToolCall, Decision]]:
    """Yield calls with their decisions, as the decisions are made."""
    questions = _Questions(grant, connection.options.obligations)
    room = asyncio.Semaphore(max_in_flight)
    stream = connection.authorization.StreamAuthorize(metadata=transport.trace_metadata())

    async def feed() -> None:
        async for call in _each(calls):
            await room.acquire()
            await stream.write(questions.ask(call))
        await stream.done_writing()

    feeder = asyncio.create_task(feed())
    try:
        while True:
            message = await _read(stream, feeder, questions, timeout_seconds)
            if message is None:
                break
            room.release()
            yield questions.answer(message)
        await feeder
        questions.check_all_answered()
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
    questions: _Questions,
    timeout_seconds: float,
) -> authorization_pb.StreamAuthorizeResponse | None:
    """Return the next answer, ``None`` at the end; raise what stopped the feeder or a deadline that has passed."""
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
            if questions.overdue(timeout_seconds):
                text = "the sidecar left a question of the stream unanswered for too long"
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
