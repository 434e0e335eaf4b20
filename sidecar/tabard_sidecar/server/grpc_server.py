"""Creates gRPC servers whose connections, requests and messages are bounded, and binds them to sockets."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

import grpc

from tabard_sidecar.config import LimitsConfig
from tabard_sidecar.util.descriptors import most_connections
from tabard_sidecar.util.sockets import BindError, OwnedSocket

LARGE_IN_FLIGHT = 2
"""Requests of the largest size that may be in flight together."""
_MAX_METADATA_BYTES = 16 * 1024
_FRAME_BYTES = 16 * 1024
"""Longest frame; HTTP/2 allows no smaller limit (RFC 9113, section 6.5.2)."""
_OPERATOR_STREAMS = 6
"""Requests per connection of operators. Agents have no such limit: gRPC refuses what comes before it was told of the limit, and
clients report that as an error."""
_OPERATOR_WAITING = 32
"""Requests of all connections of operators that were received and that Python hasn't seen yet; one more is refused."""
_OPERATOR_BOUNDS = (
    ("grpc.max_concurrent_streams", _OPERATOR_STREAMS),
    ("grpc.server.max_pending_requests", _OPERATOR_WAITING),
    ("grpc.server.max_pending_requests_hard_limit", _OPERATOR_WAITING),
)
_HANDSHAKE_SECONDS = 5
_SETTINGS_SECONDS = 5
"""How long a peer may leave the settings of HTTP/2 without acknowledgement. gRPC's default is a minute."""
_IDLE_SECONDS = 300
"""How long a gRPC connection lasts without a request; clients connect again by themselves."""
_PING_SECONDS = 5.0
"""Shortest time between two pings of a client that sends nothing else; more often ends its connection. Load balancers and
clients with keepalive ping every ten seconds or less often."""


def grpc_server(
    limits: LimitsConfig,
    listener: str,
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    *,
    connections: int | None = None,
) -> grpc.aio.Server:
    """Return a server that isn't bound yet.

    Args:
        limits: the section ``limits``.
        listener: ``agent`` or ``operator``.
        interceptors: stand before every method.
        connections: most connections of operators; by default the usual number.
    """
    agents = listener == "agent"
    return grpc.aio.server(
        interceptors=tuple(interceptors),
        # What isn't received yet is bounded, too: so many requests of so many bytes each.
        maximum_concurrent_rpcs=limits.max_in_flight,
        options=(
            ("grpc.max_receive_message_length", limits.max_message_bytes),
            ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
            ("grpc.absolute_max_metadata_size", _MAX_METADATA_BYTES),
            # A byte of a frame can repeat a whole header (HPACK), so a peer that acknowledged the settings has no table of its own.
            ("grpc.http2.hpack_table_size.decoder", 0),
            # gRPC bounds a list of headers by the metadata size only after
            # the peer has acknowledged the settings, by 16 MiB before, and keeps a refused list until Python has seen the request.
            ("grpc.http2.max_frame_size", _FRAME_BYTES),
            *(() if agents else _OPERATOR_BOUNDS),
            (
                "grpc.max_allowed_incoming_connections",
                most_connections(listener, limits.max_connections if agents else connections),
            ),
            ("grpc.server_handshake_timeout_ms", _HANDSHAKE_SECONDS * 1000),
            ("grpc.http2.settings_timeout", _SETTINGS_SECONDS * 1000),
            ("grpc.max_connection_idle_ms", _IDLE_SECONDS * 1000),
            ("grpc.http2.min_ping_interval_without_data_ms", int(_PING_SECONDS * 1000)),
            ("grpc.keepalive_permit_without_calls", 1),
        ),
    )


async def bind(server: grpc.aio.Server, owned: OwnedSocket, stack: AsyncExitStack) -> None:
    """Let a server listen on a socket, and stop it with the stack.

    Raises:
        BindError: it can't listen there.
    """
    try:
        with owned.binding():
            server.add_insecure_port(f"unix:{owned.path}")
    except RuntimeError as error:
        raise BindError(f"cannot listen on {owned.path}: {error}") from error
    await server.start()
    stack.push_async_callback(server.stop, None)
