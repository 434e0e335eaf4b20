"""Clients that keep their connection alive by pings stay connected."""

from __future__ import annotations

import asyncio

import grpc
from tabard_sidecar.config import LimitsConfig
from tabard_sidecar.server import grpc_server


def test_a_ping_every_ten_seconds_is_taken():
    """Ten seconds is the shortest time that gRPC clients let be configured by default."""
    assert grpc_server._PING_SECONDS < 10


async def test_a_connection_that_is_only_pinged_stays(tmp_path, monkeypatch):
    """gRPC's own server ends it after three pings within ten minutes; here all times are ten times shorter."""
    monkeypatch.setattr(grpc_server, "_PING_SECONDS", 0.5)
    lost = await asyncio.gather(
        *(lost_connections(tmp_path / str(streaming), streaming=streaming) for streaming in (True, False))
    )
    assert lost == [[], []]


async def lost_connections(address, *, streaming):
    """Ping a server for five seconds; return the states of the connection after the first."""
    server = grpc_server.grpc_server(LimitsConfig(), "agent")

    async def echo(requests, _context):
        async for request in requests:
            yield request

    handlers = {"Echo": grpc.stream_stream_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t", handlers),))
    server.add_insecure_port(f"unix:{address}")
    await server.start()
    pings = (
        ("grpc.keepalive_time_ms", 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    )
    lost = []
    try:
        async with grpc.aio.insecure_channel(f"unix:{address}", options=pings) as channel:
            call = channel.stream_stream("/t/Echo")()
            await call.write(b"first")
            assert await call.read() == b"first"
            if not streaming:
                await call.done_writing()
                assert await call.read() is grpc.aio.EOF

            async def watch():
                state = channel.get_state()
                while True:
                    await channel.wait_for_state_change(state)
                    state = channel.get_state()
                    lost.append(state)

            watching = asyncio.create_task(watch())
            await asyncio.sleep(5)
            watching.cancel()
            if streaming:
                await call.write(b"second")
                assert await call.read() == b"second"
    finally:
        await server.stop(None)
    return lost
