import os
import socket
import stat

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter
from tabard_sidecar.http.app import create_http_server
from tabard_sidecar.http.conf import HttpConfig
from tabard_sidecar.http.health import Health
from tabard_sidecar.http.server import BindError

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
    """/healthz answers while the process lives; /readyz only is 200 when questions are answered."""
    running = server(health=ready)
    await running.start()
    assert running.address != "127.0.0.1:0"
    assert (await get(running.address, "/readyz"))[0] == 200
    ready.component("policy").failed("gone")
    status, body, headers = await get(running.address, "/readyz")
    assert status == 503
    assert '"policy: gone"' in body
    assert headers["Cache-Control"] == "no-store"
    assert (await get(running.address, "/healthz"))[0] == 200
    await running.stop()


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


async def test_keys_are_not_served_where_others_listen(get):
    """On an address that other machines reach, JWKS over plain HTTP would invite a man in the middle."""
    running = server("0.0.0.0:0")
    await running.start()
    port = running.address.rpartition(":")[2]
    assert (await get(f"127.0.0.1:{port}", "/.well-known/jwks.json"))[0] == 404
    assert (await get(f"127.0.0.1:{port}", "/healthz"))[0] == 200
    await running.stop()


async def test_address_that_is_taken(tmp_path):
    """A taken port is told with its address."""
    first = server()
    await first.start()
    with pytest.raises(BindError, match=first.address):
        await server(first.address).start()
    await first.stop()
    with pytest.raises(BindError):
        await server(f"unix:{tmp_path}/missing/sock").start()


async def test_unix_socket(tmp_path):
    """A stale socket is replaced, a live one is not, a file is never removed, and the mode is 0660."""
    path = tmp_path / "sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    running = server(f"unix:{path}")
    await running.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with pytest.raises(BindError, match="another process answers there"):
        await server(f"unix:{path}").start()
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
        session.get("http://tabard/healthz") as response,
    ):
        assert response.status == 200
    await running.stop()
    assert not path.exists()
    path.write_text("mine")
    with pytest.raises(BindError, match="isn't a socket"):
        await server(f"unix:{path}").start()
    assert path.read_text() == "mine"


async def test_garbage_does_not_stop_the_server(get):
    """Malformed and oversized requests are refused and the next one is answered."""
    running = server()
    await running.start()
    host, port = running.address.split(":")
    for garbage in (os.urandom(500), b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"\r\n" * 1000):
        with socket.create_connection((host, int(port)), 5) as connection:
            connection.sendall(garbage)
    assert (await get(running.address, "/healthz"))[0] == 200
    await running.stop()
