"""Headers that a peer repeats by one byte each (HPACK) take a bounded amount of a real sidecar's memory."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from pathlib import Path

import pytest
import tabard

from testbed.world import PERSON, World

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADERS, _SETTINGS = 1, 4
_END_STREAM, _END_HEADERS = 1, 4
_ACK = 1
_NO_TABLE = b"\x20"
_CONNECTIONS = 150
_STREAMS = 40
_REPEATED = 16_000
_POD_MEGABYTES = 384
"""The limit of the sidecar's container in k8s/pod.yaml."""
_TABLE_MEGABYTES = 25
"""Most that requests may take which repeat a header of a table that doesn't exist; with a table it is 40."""
_OWN_TABLE = "a header of 3.7 kB"
_BOMBS = {
    _OWN_TABLE: b"\xbe",  # the newest entry of the connection's own table
    "an empty header": b"\x8f",  # accept-charset, of the table that every connection has
}


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return an HTTP/2 frame (RFC 9113, section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """Return a header that isn't added to the table (RFC 7541, section 6.2.2)."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def headers(method: str) -> bytes:
    """Return the headers of a gRPC request."""
    first = b"\x83\x86" + literal(b":path", method.encode()) + literal(b":authority", b"x")
    return first + literal(b"content-type", b"application/grpc") + literal(b"te", b"trailers")


def unknown() -> list[bytes]:
    """Return what one connection sends: complete requests of a method that doesn't exist."""
    head = headers("/x/y")
    flags = _END_HEADERS | _END_STREAM
    return [
        _PREFACE + frame(_SETTINGS, 0, 0),
        *(
            b"".join(frame(_HEADERS, flags, 1 + 2 * n, head) for n in range(at, at + 20))
            for at in range(0, 4000, 20)
        ),
    ]


def bomb(method: str, repeated: bytes, *, table: bytes = b"") -> list[bytes]:
    """Return what one connection sends: a header of 3.7 kB once, then many requests that repeat a header.

    Args:
        method: the path of the method.
        repeated: the header, as an index.
        table: a new size of the table (RFC 7541, section 6.3), which begins the first list of headers.
    """
    head = headers(method)
    large = b"\x40\x01a\x7f\x81\x1d" + b"b" * (127 + 1 + (0x1D << 7))
    first = _PREFACE + frame(_SETTINGS, 0, 0) + frame(_HEADERS, _END_HEADERS, 1, table + head + large)
    more = [
        frame(_HEADERS, _END_HEADERS, 3 + 2 * number, head + repeated * _REPEATED)
        for number in range(_STREAMS)
    ]
    return [first, *more]


def send(path: Path, pieces: list[bytes], held: list[socket.socket], *, acknowledge: bool = False) -> None:
    """Send from many connections, read nothing but the settings to acknowledge, and leave them open."""
    for _ in range(_CONNECTIONS):
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(1)
        held.append(one)
        with contextlib.suppress(OSError):
            one.connect(str(path))
            if acknowledge:
                one.sendall(_PREFACE + frame(_SETTINGS, 0, 0))
                one.recv(1024)
                one.sendall(frame(_SETTINGS, _ACK, 0))
            for piece in pieces:
                one.sendall(piece.removeprefix(_PREFACE) if acknowledge else piece)


def peak_megabytes(pid: int) -> float:
    """Return the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def started(world: World) -> None:
    """Start a task; gRPC may refuse the first tries, for it works off the attack's requests first."""
    while True:
        with contextlib.suppress(tabard.Unavailable):
            token = world.issuer.access_token(PERSON)
            await world.agent("orchestrator").start_task(
                token, intent_token=world.intent("refunds", "Do it.")
            )
            return
        await asyncio.sleep(0.2)


@pytest.mark.parametrize("kind", [*_BOMBS, "an unknown method"])
async def test_operators_memory_stays_bounded(folder, kind):
    """It stays within a pod's, and an agent is served as soon as the connections are closed."""
    async with World(folder, workloads=("orchestrator",)) as world:
        sidecar = world.sidecars["orchestrator"]
        held: list[socket.socket] = []
        try:
            path = Path(sidecar.operator.removeprefix("unix:"))
            service = "/tabard.authz.v1.TaskOperatorService/ListTasks"
            pieces = bomb(service, _BOMBS[kind]) if kind in _BOMBS else unknown()
            await asyncio.to_thread(send, path, pieces, held)
        finally:
            for one in held:
                one.close()
        assert peak_megabytes(sidecar.process.pid) < _POD_MEGABYTES
        async with asyncio.timeout(20):
            await started(world)
        assert "hpack" not in sidecar.logs[0].read_text()


@pytest.mark.parametrize("kind", _BOMBS)
async def test_agents_memory_stays_bounded_if_settings_are_acknowledged(folder, kind):
    """gRPC then bounds a list of headers by what the sidecar's settings say, and keeps no table of a peer's headers."""
    async with World(folder, workloads=("orchestrator",)) as world:
        sidecar = world.sidecars["orchestrator"]
        before = peak_megabytes(sidecar.process.pid)
        held: list[socket.socket] = []
        try:
            path = Path(sidecar.address.removeprefix("unix:"))
            pieces = bomb("/tabard.authz.v1.TaskService/StartTask", _BOMBS[kind], table=_NO_TABLE)
            await asyncio.to_thread(send, path, pieces, held, acknowledge=True)
        finally:
            for one in held:
                one.close()
        peak = peak_megabytes(sidecar.process.pid)
        assert peak < (before + _TABLE_MEGABYTES if kind == _OWN_TABLE else _POD_MEGABYTES)
        async with asyncio.timeout(20):
            await started(world)


async def test_a_peer_that_does_not_acknowledge_settings_is_cut_off(folder):
    """Until it does, gRPC bounds a list of headers by 16 MiB."""
    async with World(folder, workloads=("orchestrator",)) as world:
        path = Path(world.sidecars["orchestrator"].address.removeprefix("unix:"))
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(_PREFACE + frame(_SETTINGS, 0, 0))
        async with asyncio.timeout(20):
            await reader.read()
        writer.close()


def open_connections(path: Path, number: int) -> int:
    """Connect often and return how many connections the server keeps."""
    kept, held = 0, []
    for _ in range(number):
        one = socket.socket(socket.AF_UNIX)
        held.append(one)
        one.settimeout(2)
        one.connect(str(path))
        with contextlib.suppress(OSError):
            one.sendall(_PREFACE + frame(_SETTINGS, 0, 0))
            kept += bool(one.recv(1))
    for one in held:
        one.close()
    return kept


@pytest.mark.parametrize("most", [4, 40])
async def test_the_configuration_says_how_many_connections_agents_get(folder, most):
    overrides = {"limits.max_connections": most}
    async with World(folder, workloads=("orchestrator",), overrides=overrides) as world:
        path = Path(world.sidecars["orchestrator"].address.removeprefix("unix:"))
        kept = await asyncio.to_thread(open_connections, path, most + 10)
        # The test's own client may hold one.
        assert most - 1 <= kept <= most


@pytest.mark.parametrize("together", [20, 300])
async def test_calls_of_one_client_together_are_all_decided(folder, together):
    """No bound that is meant for attackers refuses an agent that makes many calls at once."""
    async with World(folder, workloads=("orchestrator",)) as world:
        token = world.issuer.access_token(PERSON)
        task = await world.agent("orchestrator").start_task(
            token, intent_token=world.intent("refunds", "Do it.")
        )

        async def ask() -> str:
            try:
                await task.authorize("no.such.tool", {})
            except tabard.TabardError as error:
                return error.code
            return "allowed"

        codes = await asyncio.gather(*(ask() for _ in range(together)))
        assert set(codes) & {"rpc_failed", "sidecar_unreachable"} == set()
        assert len(set(codes)) == 1
