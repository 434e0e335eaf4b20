"""Registering servicers so that bytes which are no message get INVALID_ARGUMENT.

By itself gRPC answers them with UNKNOWN and writes a stack trace for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError


class Malformed:
    """Stands in the place of a request that could not be parsed."""


MALFORMED = Malformed()


def lenient(server: grpc.aio.Server) -> grpc.aio.Server:
    """Return what the generated ``add_…_to_server`` functions register with in place of ``server``."""
    return cast("grpc.aio.Server", _Registrar(server))


class _Registrar:
    """Takes what the generated ``add_…_to_server`` functions register and passes it on to the real server."""

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
