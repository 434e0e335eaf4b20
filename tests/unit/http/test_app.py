import asyncio
import contextlib
import json
import os
import socket
import stat

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from tabard_sidecar.health import Health
from tabard_sidecar.http import app
from tabard_sidecar.http.app import create_health_server, create_http_server
from tabard_sidecar.http.conf import HttpConfig
from tabard_sidecar.util.sockets import BindError

JWKS = {"keys": [{"kid": "a"}]}


def server(listen="127.0.0.1:0", health=None, registry=None):
    return create_http_server(
        HttpConfig(listen=listen),
        health=health or Health(),
        registry=registry or CollectorRegistry(),
        jwks=lambda: JWKS,
    )


@pytest.fixture
async def get():
    async with aiohttp.ClientSession() as session:

        async def get(address, path):
            async with session.get(f"http://{address}{path}") as response:
                return response.status, await response.text(), response.headers

        yield get


@pytest.fixture
def ready():
    health = Health()
    health.component("policy").ok()
    health.started()
    return health


async def test_health_tells_status_and_readiness(get, ready):
    """/healthz answers while the process lives; /readyz only is 200 when requests are answered."""
    running = server(health=ready)
    await running.start()
    assert running.address != "127.0.0.1:0"
    assert (await get(running.address, "/readyz"))[0] == 200
    ready.component("policy").failed("gone")
    status, body, headers = await get(running.address, "/readyz")
    assert status == 503
    assert json.loads(body) == {"status": "degraded", "ready": False}
    assert headers["Cache-Control"] == "no-store"
    assert (await get(running.address, "/healthz"))[0] == 200
    await running.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(running.address, "/healthz")


async def test_metrics_and_keys(get):
    """The registry that was passed in is what is shown; keys are a JWK Set."""
    registry = CollectorRegistry()
    Counter("tabard_something", "Something.", registry=registry).inc()
    running = server(registry=registry)
    await running.start()
    status, body, headers = await get(running.address, "/metrics")
    assert status == 200
    assert "tabard_something_total 1.0" in body
    assert headers["Content-Type"].startswith("text/plain")
    status, body, headers = await get(running.address, "/.well-known/jwks.json")
    assert (status, body) == (200, '{"keys": [{"kid": "a"}]}')
    assert headers["Content-Type"].startswith("application/jwk-set+json")
    assert (await get(running.address, "/introspect"))[0] == 404
    await running.stop()


async def test_costly_pages_are_made_once_a_second_however_many_ask(get, monkeypatch):
    """Making the metrics takes milliseconds of the loop that decides, and every peer of the address may ask."""
    scrapes = []
    registry = CollectorRegistry()

    class Counted(Collector):
        def collect(self):
            scrapes.append(1)
            yield GaugeMetricFamily("tabard_scrapes", "Scrapes.", len(scrapes))

    registry.register(Counted())
    now = 1000.0
    monkeypatch.setattr(app, "monotonic", lambda: now)
    keys = []
    running = create_http_server(
        HttpConfig(listen="127.0.0.1:0"),
        health=Health(),
        registry=registry,
        jwks=lambda: keys.append(1) or JWKS,
    )
    scrapes.clear()
    await running.start()
    for path in ("/metrics", "/.well-known/jwks.json"):
        bodies = await asyncio.gather(*(get(running.address, path) for _ in range(50)))
        assert len({body for _, body, _ in bodies}) == 1
    assert (len(scrapes), len(keys)) == (1, 1)
    now += 1.0
    assert "tabard_scrapes 2.0" in (await get(running.address, "/metrics"))[1]
    await running.stop()


async def test_keys_are_not_served_where_others_listen(get):
    """On an address that other machines reach, JWKS over plain HTTP would invite a man in the middle."""
    running = server("0.0.0.0:0")
    await running.start()
    port = running.address.rpartition(":")[2]
    assert (await get(f"127.0.0.1:{port}", "/.well-known/jwks.json"))[0] == 404
    assert (await get(f"127.0.0.1:{port}", "/healthz"))[0] == 200
    await running.stop()


async def test_address_that_is_taken():
    """A taken port is told with its address."""
    first = server()
    await first.start()
    with pytest.raises(BindError, match=first.address):
        await server(first.address).start()
    await first.stop()


async def test_unix_socket(tmp_path):
    """A stale socket is replaced, a live one is not, a file is never removed, and the mode is 0660."""
    path = tmp_path / "sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    running = server(f"unix:{path}")
    await running.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with pytest.raises(BindError, match=r"another server \(pid \d+\)"):
        await server(f"unix:{path}").start()
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
        session.get("http://tabard/healthz") as response,
    ):
        assert response.status == 200
    await running.stop()
    assert not path.exists()
    path.write_text("mine")
    with pytest.raises(BindError, match="is not a socket"):
        await server(f"unix:{path}").start()
    assert path.read_text() == "mine"


async def test_a_unix_socket_makes_its_directory_private(tmp_path):
    """The HTTP socket gets the directory that the gRPC ones get."""
    path = tmp_path / "http" / "sock"
    running = server(f"unix:{path}")
    await running.start()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    await running.stop()


async def test_a_unix_socket_where_anybody_may_write_is_refused(tmp_path):
    """Another user could put a socket of his own in its place."""
    tmp_path.chmod(0o777)
    with pytest.raises(BindError, match="chmod go-w"):
        await server(f"unix:{tmp_path}/sock").start()


def send(address, request):
    """Send bytes as they are and return everything that comes back."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(request)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                received += piece
        return received


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
        (b"GET /healthz?verbose HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
        (b"HEAD /healthz HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
        (b"POST /healthz HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"HTTP/1.1 405 Method Not Allowed\r\n"),
        (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", b"HTTP/1.1 404 Not Found\r\n"),
        (b"GET /\xff HTTP/1.1\r\n\r\n", b"HTTP/1.1 404 Not Found\r\n"),
        (b"GET /healthz HTTP/2.0\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
        (b"nonsense\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
        (b"\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
        (b"GET /" + b"a" * 100_000, b"HTTP/1.1 431 "),
        (b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n", b"HTTP/1.1 431 "),
    ],
)
async def test_requests_as_they_come(request_bytes, expected):
    """Every request gets one answer of the right status, and the connection ends."""
    running = server()
    await running.start()
    answer = await asyncio.to_thread(send, running.address, request_bytes)
    await running.stop()
    assert answer.startswith(expected) or (answer == b"" and b"431" in expected)
    head, _, body = answer.partition(b"\r\n\r\n")
    if answer:
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        assert len(body) == (0 if request_bytes.startswith(b"HEAD") else length)


async def test_the_health_socket_tells_what_is_wrong(tmp_path, ready):
    """Only there: paths, issuers and policies are the operator's."""
    ready.component("policy").failed("/etc/tabard/policy/a.rego:3")
    running = create_health_server(f"unix:{tmp_path}/h", ready)
    await running.start()
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(f"{tmp_path}/h")) as session,
        session.get("http://tabard/readyz") as response,
    ):
        assert response.status == 503
        assert (await response.json())["reasons"] == ["policy: /etc/tabard/policy/a.rego:3"]
    await running.stop()


async def test_broken_page_is_an_error_of_its_own(get, caplog):
    """A defect in one page is a 500 and a line in the log; the others go on."""
    running = create_http_server(
        HttpConfig(listen="127.0.0.1:0"),
        health=Health(),
        registry=CollectorRegistry(),
        jwks=lambda: {}["keys"],
    )
    await running.start()
    assert (await get(running.address, "/.well-known/jwks.json"))[0] == 500
    assert "page failed" in caplog.text
    assert (await get(running.address, "/healthz"))[0] == 200
    await running.stop()


async def test_random_bytes_do_not_stop_the_server(get):
    """Whatever arrives, the next request is answered."""
    running = server()
    await running.start()
    for size in (1, 500, 50_000):
        await asyncio.to_thread(send, running.address, os.urandom(size) + b"\r\n\r\n")
    assert (await get(running.address, "/healthz"))[0] == 200
    await running.stop()
