"""Wraps every RPC: admits it, traces it, and translates exceptions to gRPC errors."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias, TypeVar

import grpc
from prometheus_client import Gauge

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.records.tracing import NoTracing, Tracing
from tabard_sidecar.server import errors
from tabard_sidecar.server.refusal_log import RefusalLog
from tabard_sidecar.server.registration import Large, Unread
from tabard_sidecar.util.deadlines import Deadlines

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Reply = TypeVar("_Reply")
_refusals = RefusalLog()


class EdgeMetrics(Protocol):
    """What is counted of requests."""

    @property
    def in_flight(self) -> Gauge:
        """Requests that are being answered."""
        ...

    def failed(self, code: str) -> None:
        """Count a request that ended with an error."""
        ...


class Edge:
    """Bounds, traces and guards the work of every RPC.

    Args:
        metrics: counts errors.
        tracing: creates the span of each RPC.
        max_in_flight: most requests at once; one more is refused and doesn't wait.
        request_seconds: longest time for one request.
        shown: whether the metric of requests in flight is of these requests; one edge of a process shows them.
    """

    def __init__(
        self,
        metrics: EdgeMetrics,
        tracing: Tracing,
        *,
        max_in_flight: int,
        request_seconds: float,
        shown: bool = True,
    ) -> None:
        self._metrics = metrics
        # Only tracing uses the metadata, which gRPC builds on access.
        self._tracing = None if isinstance(tracing, NoTracing) else tracing
        self._max_in_flight = max_in_flight
        self._deadlines = Deadlines(request_seconds)
        self._in_flight = 0
        if shown:
            metrics.in_flight.set_function(lambda: self._in_flight)

    async def rpc(
        self, name: str, context: Context, work: Callable[[], Awaitable[_Reply]], *, details: bool = False
    ) -> _Reply:
        """Do the work of a unary RPC; end it with a status if it fails, with ``details`` if operators called."""
        try:
            if self._tracing is None:
                return await self.admit(work)
            with self._tracing.request(name, tuple(context.invocation_metadata() or ())):
                return await self.admit(work)
        except NoDecision as error:
            await context.abort_with_status(errors.grpc_status(error, details=details))
            raise

    def unread(self, request: Unread) -> None:
        """Count and log a request that wasn't read."""
        self._metrics.failed(request.error.code)
        _refusals.note(request.error)

    async def admit(self, work: Callable[[], Awaitable[_Reply]]) -> _Reply:
        """Do the work of one request within the limits.

        Raises:
            NoDecision: the request was not admitted, took too long or failed.
        """
        try:
            if self._in_flight >= self._max_in_flight:
                raise _noted(
                    NoDecision(
                        "RESOURCE_EXHAUSTED",
                        "overloaded",
                        f"{self._max_in_flight} requests are in flight already",
                    )
                )
            self._in_flight += 1
            try:
                with self._deadlines.deadline():
                    return await guarded(work)
            except TimeoutError as error:
                raise _noted(
                    NoDecision(
                        "DEADLINE_EXCEEDED",
                        "overloaded",
                        f"no decision within {self._deadlines.seconds:g} s (limits.request_seconds)",
                    )
                ) from error
            finally:
                self._in_flight -= 1
        except NoDecision as error:
            self._metrics.failed(error.code)
            raise


def _noted(error: NoDecision) -> NoDecision:
    _refusals.note(error)
    return error


async def guarded(work: Callable[[], Awaitable[_Reply]]) -> _Reply:
    """Do the work of one request; translate exceptions to :class:`NoDecision`."""
    try:
        return await work()
    except TimeoutError:
        raise
    except NoDecision as error:
        _refusals.note(error)
        raise
    except Refused as refusal:
        failure = errors.as_error(refusal)
        _refusals.note(failure)
        raise failure from refusal
    except Exception as error:
        raise errors.unexpected(error) from error


def answering(method: Callable[..., Awaitable[_Reply]]) -> Callable[..., Awaitable[_Reply]]:
    """Pass a servicer's unary method through the servicer's ``edge``.

    A servicer that operators call has a true ``OPERATORS``; its errors have details.
    """
    name = method.__name__

    @functools.wraps(method)
    async def answer(self: Any, request: Any, context: Context) -> _Reply:  # noqa: ANN401 - wraps every method
        edge: Edge = self.edge
        details = getattr(self, "OPERATORS", False)
        if isinstance(request, Unread):
            edge.unread(request)
            await context.abort_with_status(errors.grpc_status(request.error, details=details))
        if isinstance(request, Large):
            with request as message:
                return await edge.rpc(name, context, lambda: method(self, message, context), details=details)
        return await edge.rpc(name, context, lambda: method(self, request, context), details=details)

    return answer
