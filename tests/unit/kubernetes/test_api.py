"""The client of the API server meets servers that misbehave, and files that change."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tabard_sidecar.kubernetes.api import MAX_REPLY_BYTES, ApiError, ApiServer
from tabard_sidecar.kubernetes.conf import ApiServerConfig

from tests.support.tls import Authority

OBJECT = {"kind": "Secret", "metadata": {"name": "x"}}


class Server(ThreadingHTTPServer):
    """Answers as a test says; a fake, since the real one doesn't misbehave (tests/integration/k8s has that one)."""

    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.body, self.headers = 200, json.dumps(OBJECT).encode(), {}
        self.drip = 0.0
        self.asked: list[tuple[str, str, str, bytes]] = []


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "")
        self.server.asked.append(
            (self.command, self.path, f"{self.headers['Authorization']} {kind}", content)
        )
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        if not self.server.drip:
            self.wfile.write(self.server.body)
            return
        for byte in self.server.body:
            self.wfile.write(bytes([byte]))
            time.sleep(self.server.drip)

    do_GET = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815 - http.server looks for them

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "kube")


@pytest.fixture
def server(authority: Authority) -> Iterator[Server]:
    server = Server()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.issue("server"))
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def api(server: Server, authority: Authority, tmp_path: Path) -> Iterator[ApiServer]:
    (tmp_path / "token").write_text("first.token\n")
    config = ApiServerConfig(
        url=f"https://127.0.0.1:{server.server_port}",
        token_file=tmp_path / "token",
        ca_file=authority.certificate,
        timeout_seconds=1,
    )
    api = ApiServer(config)
    yield api
    api.close()


async def test_it_reads_and_writes_objects_with_the_token_of_now(
    api: ApiServer, server: Server, tmp_path: Path
):
    assert await api.get("/x") == OBJECT
    (tmp_path / "token").write_text("second.token")
    server.status = 201
    await api.create("/x", {"a": 1})
    await api.replace("/x", {"a": 2})
    await api.patch("/x", [{"op": "add"}])
    assert server.asked == [
        ("GET", "/x", "Bearer first.token ", b""),
        ("POST", "/x", "Bearer second.token application/json", b'{"a": 1}'),
        ("PUT", "/x", "Bearer second.token application/json", b'{"a": 2}'),
        ("PATCH", "/x", "Bearer second.token application/json-patch+json", b'[{"op": "add"}]'),
    ]


REPLIES = {
    "redirect": (302, b"{}", {"Location": "https://127.0.0.1:1/"}, "the API server answers 302"),
    "no JSON": (200, b"<html>", {}, "can't be read"),
    "a list": (200, b"[]", {}, "no JSON object"),
    "huge": (200, b" " * (MAX_REPLY_BYTES + 1), {}, "longer than"),
    "deep": (200, b"[" * 100_000, {}, "can't be read"),
    "compressed": (200, b"x", {"Content-Encoding": "gzip"}, "compressed"),
    "forbidden": (
        403,
        b'{"message": "no\\n\\u001b[31mway"}',
        {},
        r"403: no\?\?\[31mway; give the ServiceAccount",
    ),
    "long message": (500, b'{"message": "' + b"x" * 5000 + b'"}', {}, "500: x{300}$"),
}


@pytest.mark.parametrize("case", REPLIES)
async def test_every_other_reply_is_an_error(api: ApiServer, server: Server, case: str):
    server.status, server.body, server.headers, problem = REPLIES[case]
    with pytest.raises(ApiError, match=problem):
        await api.get("/x")
    assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "kind"), [(404, "missing"), (409, "conflict"), (403, "forbidden")])
async def test_errors_tell_what_matters_to_callers(api: ApiServer, server: Server, status: int, kind: str):
    server.status = status
    with pytest.raises(ApiError) as raised:
        await api.get("/x")
    assert [name for name in ("missing", "conflict", "forbidden") if getattr(raised.value, name)] == [kind]


async def test_a_slow_server_takes_no_longer_than_configured(api: ApiServer, server: Server):
    server.drip = 0.2
    began = time.monotonic()
    with pytest.raises(ApiError, match=r"too long|in time|within"):
        await api.get("/x")
    assert time.monotonic() - began < 4


async def test_its_clock_is_the_servers(api: ApiServer, server: Server):
    """All replicas count by one clock, whatever their nodes' say."""
    server.headers = {"X": "y"}
    await api.get("/x")
    assert abs(api.now() - time.time()) < 2


@pytest.mark.parametrize("proxy", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_no_proxy_and_no_authority_of_the_environment(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, proxy: str
):
    monkeypatch.setenv(proxy, "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    assert await api.get("/x") == OBJECT


async def test_another_authority_is_followed(api: ApiServer, authority: Authority, tmp_path: Path):
    own, other = authority.certificate.read_bytes(), Authority(tmp_path, "other").certificate.read_bytes()
    authority.certificate.write_bytes(other)
    with pytest.raises(ApiError, match="its certificate isn't acceptable"):
        await api.get("/x")
    authority.certificate.write_bytes(own)
    assert await api.get("/x") == OBJECT


@pytest.mark.parametrize("token", ["", "a b", "a\nX-Header: 1", "é"])
async def test_a_token_that_is_none_is_never_quoted(
    api: ApiServer, server: Server, tmp_path: Path, token: str
):
    (tmp_path / "token").write_text(token)
    with pytest.raises(ApiError) as raised:
        await api.get("/x")
    assert "holds no token" in str(raised.value)
    assert not server.asked


async def test_missing_files_and_servers_are_told(
    api: ApiServer, server: Server, authority: Authority, tmp_path: Path
):
    (tmp_path / "token").unlink()
    with pytest.raises(ApiError, match=r"token: No such file"):
        await api.get("/x")
    (tmp_path / "token").write_text("t")
    authority.certificate.unlink()
    with pytest.raises(ApiError, match="No such file"):
        await api.get("/x")
    lost = ApiServer(
        ApiServerConfig(
            url="https://127.0.0.1:1", token_file=tmp_path / "token", ca_file=tmp_path / "server.pem"
        )
    )
    with pytest.raises(ApiError, match="can't be reached"):
        await lost.get("/x")
