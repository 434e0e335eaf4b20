"""Registers servicers so that requests which can't be parsed get INVALID_ARGUMENT.

By default gRPC answers them with UNKNOWN and logs a stack trace for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError


class Malformed:
    """Replaces a request that couldn't be parsed."""


MALFORMED = Malformed()


def lenient(server: grpc.aio.Server) -> grpc.aio.Server:
    """Return an object to pass to the generated ``add_…_to_server`` functions instead of ``server``."""
    return cast("grpc.aio.Server", _Registrar(server))


class _Registrar:
    """Registers the handlers of the generated ``add_…_to_server`` functions on the real server, with lenient parsing."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Do nothing: the same methods come as registered handlers, by name."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Register the methods of one service."""
        changed = {
            name: handler._replace(request_deserializer=_reader(handler.request_deserializer))
            for name, handler in handlers.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, changed),))
        self._server.add_registered_method_handlers(service, changed)


def _reader(parse: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def read(raw: bytes) -> object:
        try:
            return parse(raw)
        except DecodeError:
            return MALFORMED

    return read
