"""Idle connections keep no other peer away from an HTTP listener."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import time

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from tabard_sidecar.http.conf import IntrospectionClient, IntrospectionConfig
from tabard_sidecar.http.connections import Acceptor
from tabard_sidecar.http.introspection import create_introspection_server
from tabard_sidecar.http.server import HttpServer, Page
from tabard_sidecar.records.metrics import Metrics
from tabard_sidecar.util.descriptors import most_connections

from tests.support.descriptors import descriptors
from tests.support.tls import Authority
from tests.support.waiting import eventually

KEY = "k" * 40
PAGES = {"/": lambda: Page(b"here")}


def connect(address: str, first: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
    """Connect, send some bytes and then nothing more."""
    host, port = address.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), 10, (source, 0))
    if first:
        connection.sendall(first)
    return connection


def ended(connection: socket.socket) -> bool:
    """Tell whether the other side has closed a connection."""
    connection.setblocking(False)  # noqa: FBT003
    try:
        return connection.recv(65536) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


async def page(address: str) -> bytes:
    """Get the page."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}/") as response:
        return await response.read()


@pytest.fixture
async def pages():
    """A server with four places."""
    server = HttpServer(PAGES, "127.0.0.1:0", most=4, seconds=60)
    await server.start()
    yield server.address
    await server.stop()


@pytest.mark.parametrize("first", [b"", b"GET / HT", b"G" * 4000])
async def test_idle_connections_make_room(pages, first):
    """However many there are, requests are answered; the oldest ones end."""
    idle = [await asyncio.to_thread(connect, pages, first) for _ in range(50)]
    for _ in range(10):
        assert await page(pages) == b"here"
    await eventually(lambda: _true(sum(not ended(one) for one in idle) <= 4))
    for one in idle:
        one.close()


async def _true(value: bool) -> bool:
    return value


async def test_a_connection_has_a_deadline():
    """Also one that sends a byte now and then."""
    server = HttpServer(PAGES, "127.0.0.1:0", most=4, seconds=0.5)
    await server.start()
    slow = await asyncio.to_thread(connect, server.address, b"GET / HTTP/1.1\r\n")
    began = time.monotonic()
    while not ended(slow):
        try:
            slow.send(b"X")
        except OSError:
            break
        await asyncio.sleep(0.1)
        assert time.monotonic() - began < 10
    slow.close()
    await server.stop()


async def _tries(address: str) -> int:
    """Get the page, again if its connection had to make room, and return how often it took."""
    for tries in range(1, 101):
        try:
            if await page(address) == b"here":
                return tries
        except aiohttp.ClientError:
            pass
    pytest.fail("no request is answered")


@pytest.mark.parametrize(("source", "most"), [("127.0.0.2", 1), ("127.0.0.1", 100)])
async def test_a_storm_of_connections_leaves_room_for_a_request(pages, source, most):
    """While a peer opens connections as fast as possible, others are answered at once, and its own requests in time."""
    stop = asyncio.Event()

    async def storm():
        while not stop.is_set():
            connections = await asyncio.to_thread(lambda: [connect(pages, source=source) for _ in range(20)])
            for one in connections:
                one.close()

    storming = [asyncio.create_task(storm()) for _ in range(2)]
    tries = [await _tries(pages) for _ in range(20)]
    stop.set()
    await asyncio.gather(*storming)
    assert max(tries) <= most


@pytest.fixture
def introspection(tmp_path):
    """Return a function that makes an introspection server, with or without TLS."""
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o600)
    client = IntrospectionClient(id="billing", key_file=file, audiences=("https://b",))
    config = IntrospectionConfig(listen="127.0.0.1:0", clients=(client,))

    async def introspect(_token: str) -> None:
        return None

    def make(**changes):
        return create_introspection_server(
            config.model_copy(update=changes), introspect=introspect, metrics=Metrics(CollectorRegistry())
        )

    return make


async def asked(session: aiohttp.ClientSession, url: str, **options) -> int:
    """Introspect and return the status."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with session.post(url, data={"token": "t"}, headers=headers, **options) as response:
        return response.status


@pytest.mark.parametrize("first", [b"", b"POST /introspect HTTP/1.1\r\nHost: x\r\n", b"\x16\x03\x01\x02\x00"])
@pytest.mark.parametrize("tls", [False, True])
async def test_strangers_do_not_fill_introspection(introspection, tmp_path, monkeypatch, first, tls):
    """Connections without a client's key make room and end in time; a client's own connection stays."""
    monkeypatch.setattr("tabard_sidecar.http.aiohttp_server._UNKNOWN_SECONDS", 1.0)
    monkeypatch.setattr("tabard_sidecar.util.descriptors._WANTED", {"introspection": 8})
    authority = Authority(tmp_path, "zone")
    certificate, key = authority.issue("introspection")
    files = {"tls_certificate_file": certificate, "tls_key_file": key} if tls else {}
    server = introspection(**files)
    await server.start()
    trusted = ssl.create_default_context(cafile=authority.certificate) if tls else False
    url = f"{'https' if tls else 'http'}://{server.address}/introspect"
    connector = aiohttp.TCPConnector(limit=1, ssl=trusted)
    async with aiohttp.ClientSession(connector=connector) as session:
        assert await asked(session, url) == 200
        before = descriptors()
        idle = [await asyncio.to_thread(connect, server.address, first) for _ in range(60)]
        assert await asked(session, url) == 200
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as other:
            assert await asked(other, url) == 200
        assert descriptors() - before - len(idle) < 30
        await eventually(lambda: _true(all(map(ended, idle))))
        assert await asked(session, url) == 200
    for one in idle:
        one.close()
    await server.stop()


@pytest.mark.parametrize("limit", [128, 256, 1024, 1_000_000])
def test_listeners_share_the_descriptors(monkeypatch, limit):
    """Together they leave some for state, keys and policy, whatever the limit is."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    names = ("agent", "operator", "health", "http", "introspection")
    shares = {name: most_connections(name) for name in names}
    assert min(shares.values()) >= 4
    # An operator's connection takes four.
    assert sum(shares.values()) + 3 * shares["operator"] <= limit - min(limit // 4, 128)


async def test_known_peers_share_the_places():
    """One that has proven who it is, and holds every place, makes room for others, and not for itself."""
    release, kept = asyncio.Event(), []

    async def serve(connection):
        connection.keep(60)
        kept.append(connection.peer)
        await release.wait()

    acceptor, made = Acceptor(serve, most=6, seconds=60), []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        acceptor.start(listener)

        async def come(address, count, served):
            for _ in range(count):
                one = socket.create_connection(("127.0.0.1", port), 10, (address, 0))
                made.append(one)
                await eventually(lambda one=one: _true(len(kept) >= served or ended(one)))
            return made[-count:]

        greedy = await come("127.0.0.2", 5, 0)
        greedy += await come("127.0.0.2", 1, 6)
        (more,) = await come("127.0.0.2", 1, 7)
        assert ended(more)
        assert not any(map(ended, greedy))
        others = [(await come("127.0.0.3", 1, served))[0] for served in (7, 8, 9, 10)]
        await eventually(lambda: _true([ended(one) for one in greedy] == [True] * 3 + [False] * 3))
        assert [ended(one) for one in others] == [False, False, False, True]
        release.set()
        await acceptor.stop()
    for one in made:
        one.close()
