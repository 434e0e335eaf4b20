"""Registers servicers so that every request is parsed within bounds, or answered without having been read.

By default gRPC answers bytes that are no message with UNKNOWN and logs a stack trace for each. Large requests take a share
of a common number of bytes until they are answered, because each takes many times its size while it is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.server import errors

_LARGE_BYTES = 64 * 1024
"""Smaller requests aren't counted: their number is bounded."""


class Unread:
    """Replaces a request that wasn't parsed.

    Attributes:
        error: what the caller is answered with.
    """

    def __init__(self, error: NoDecision) -> None:
        self.error = error


class Intake:
    """Counts the bytes of the large requests that are being answered.

    Args:
        most: most of these bytes at once.
    """

    def __init__(self, most: int) -> None:
        self._left = most
        self._malformed = Unread(errors.malformed())
        self._too_much = Unread(
            NoDecision(
                "RESOURCE_EXHAUSTED", "overloaded", f"large requests of {most} bytes are in flight already"
            )
        )

    def read(self, parse: Callable[[bytes], object], raw: bytes) -> object:
        """Return the message, a :class:`Large` one, or why it wasn't read."""
        size = len(raw)
        if size > _LARGE_BYTES:
            if size > self._left:
                return self._too_much
            large = Large(self, size)
            try:
                large.message = parse(raw)
            except DecodeError:
                return self._malformed
            return large
        try:
            return parse(raw)
        except DecodeError:
            return self._malformed

    def take(self, size: int) -> None:
        """Count bytes; a negative number gives them back."""
        self._left -= size


class Large:
    """A large request, counted until it is released or forgotten.

    Attributes:
        message: the request itself.
    """

    def __init__(self, intake: Intake, size: int) -> None:
        self._intake = intake
        self._size = size
        self.message: Any = None
        intake.take(size)

    def __enter__(self) -> Any:  # noqa: ANN401 - a message of whatever type the method takes
        return self.message

    def __exit__(self, *_: object) -> None:
        self.message = None
        self._release()

    def __del__(self) -> None:
        # gRPC drops a request whose caller has gone away before it was answered.
        self._release()

    def _release(self) -> None:
        size, self._size = self._size, 0
        self._intake.take(-size)


def lenient(server: grpc.aio.Server, intake: Intake) -> grpc.aio.Server:
    """Return an object to pass to the generated ``add_…_to_server`` functions instead of ``server``."""
    return cast("grpc.aio.Server", _Registrar(server, intake))


class _Registrar:
    """Registers the handlers of the generated ``add_…_to_server`` functions on the real server, with lenient parsing."""

    def __init__(self, server: grpc.aio.Server, intake: Intake) -> None:
        self._server = server
        self._intake = intake

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Do nothing: the same methods come as registered handlers, by name."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Register the methods of one service, as generic handlers.

        gRPC keeps a task for every registered method, and with each request it begins to wait for all of them anew.
        """
        changed = {
            name: handler._replace(
                request_deserializer=partial(self._intake.read, handler.request_deserializer)
            )
            for name, handler in handlers.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, changed),))
