import asyncio
import base64
import contextlib
import re
import ssl

import aiohttp
import pytest
from aiohttp.web_protocol import RequestHandler
from prometheus_client import CollectorRegistry
from tabard_sidecar.http.clients import ClientKeyError, Clients
from tabard_sidecar.http.conf import IntrospectionClient, IntrospectionConfig
from tabard_sidecar.http.introspection import create_introspection_server
from tabard_sidecar.model import Introspection
from tabard_sidecar.records.metrics import Metrics

from tests.support.tls import Authority

KEY = "k" * 20 + "0123456789abcdef"
OTHER = "o" * 40
ACTIVE = Introspection(
    credential_id="c1",
    kind="jwt",
    task_id="t1",
    audience="https://refunds.internal",
    scopes=("refunds:read", "refunds:write"),
    issued_at=1000.5,
    expires_at=1060.9,
    subject_id="alice",
    subject_issuer="https://idp",
    tool="refunds.create",
    call_digest="d",
    uses=1,
    claims={"tabard_chain": ["a"], "active": False},
)


@pytest.fixture
def config(tmp_path):
    clients = []
    for name, key, audience in (("billing", KEY, ACTIVE.audience), ("other", OTHER, "https://other")):
        file = tmp_path / name
        file.write_text(key + "\n")
        file.chmod(0o600)
        clients.append(IntrospectionClient(id=name, key_file=file, audiences=(audience,)))
    return IntrospectionConfig(listen="127.0.0.1:0", clients=tuple(clients))


@pytest.fixture
async def listening(config):
    metrics = Metrics(CollectorRegistry())

    async def introspect(token):
        return ACTIVE if token == "good" else None

    server = create_introspection_server(config, introspect=introspect, metrics=metrics)
    await server.start()
    yield server.address
    await server.stop()


@pytest.fixture
async def backend(listening):
    async with aiohttp.ClientSession() as session:

        async def post(data, authorization=f"Bearer {KEY}", path="/introspect"):
            headers = {"Authorization": authorization} if authorization else {}
            url = f"http://{listening}{path}"
            async with session.post(url, data=data, headers=headers) as response:
                is_json = response.content_type == "application/json"
                body = await response.json() if is_json else await response.text()
                return response.status, body, response.headers

        yield post


def basic(name, key):
    return "Basic " + base64.b64encode(f"{name}:{key}".encode()).decode()


@pytest.mark.parametrize("authorization", [f"Bearer {KEY}", f"bearer {KEY}", basic("billing", KEY)])
async def test_active_credential(backend, authorization):
    """Both ways of authenticating give RFC 7662's members, and the credential's claims can't override them."""
    status, body, headers = await backend({"token": "good"}, authorization)
    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    assert body == {
        "tabard_chain": ["a"],
        "active": True,
        "scope": "refunds:read refunds:write",
        "token_type": "tabard+jwt",
        "client_id": "",
        "exp": 1060,
    }


async def test_what_is_not_active_says_nothing_else(backend):
    """An unknown credential and another audience's credential look the same."""
    assert (await backend({"token": "bad"}))[:2] == (200, {"active": False})
    assert (await backend({"token": "good"}, f"Bearer {OTHER}"))[:2] == (200, {"active": False})


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {KEY}x",
        f"Bearer {OTHER[:-1]}",
        basic("other", KEY),
        basic("billing", ""),
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff").decode(),
        f"Digest {KEY}",
        KEY,
    ],
)
async def test_wrong_key_is_refused(backend, authorization):
    """Without a client's key nothing is said about any token."""
    status, body, headers = await backend({"token": "good"}, authorization)
    assert (status, body) == (401, {"error": "invalid_client"})
    assert "Bearer" in headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "data",
    [{}, {"token": ""}, [("token", "good"), ("token", "good")], b'{"token": "good"}', {"tokens": "good"}],
)
async def test_malformed_requests(backend, data):
    """Exactly one token in a form is a request; anything else is told to be wrong."""
    status, body, _ = await backend(data)
    assert status == 400
    assert body["error"] == "invalid_request"


async def test_oversized_body_and_other_paths(backend):
    """A body over 64 KiB is cut off; nothing else is served here."""
    assert (await backend({"token": "x" * 70_000}))[0] == 413
    assert (await backend({}, path="/healthz"))[0] == 404


async def pipelined(address, path, authorization, times, tls=None):
    """Send requests in one piece; return the answers' statuses and the turns that the loop had meanwhile."""
    body = b"token=good"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(*address.rsplit(":", 1), ssl=tls)
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    writer.write((head.encode() + body) * times)
    answers = b""
    with contextlib.suppress(ConnectionError):
        while answers.count(b"HTTP/1.1 ") < times and (
            piece := await asyncio.wait_for(reader.read(65536), 60)
        ):
            answers += piece
    counting.cancel()
    writer.close()
    return re.findall(rb"HTTP/1\.1 (\d+)", answers), turns


@pytest.mark.parametrize(
    ("path", "authorization", "status"),
    [("/introspect", "Bearer x", b"401"), ("/other", f"Bearer {KEY}", b"404")],
)
async def test_a_refused_request_ends_its_connection(listening, path, authorization, status):
    """Hundreds of requests without a key in one connection take no more than one of them."""
    statuses, _ = await pipelined(listening, path, authorization, 300)
    assert statuses == [status]


async def test_requests_of_one_connection_give_way_to_others(listening):
    """What a client sends in one piece is answered one request a turn."""
    statuses, turns = await pipelined(listening, "/introspect", f"Bearer {KEY}", 100)
    assert statuses == [b"200"] * 100
    assert turns > 100


@pytest.mark.parametrize(("encrypted", "most"), [(False, 4096), (True, 16384)])
async def test_requests_of_one_connection_are_parsed_in_pieces(
    config, tmp_path, monkeypatch, encrypted, most
):
    """aiohttp gets at most a few kilobytes in one turn of the loop, encrypted at most one record of TLS."""
    received = []
    original = RequestHandler.data_received

    def data_received(self, data):
        received.append(len(data))
        original(self, data)

    monkeypatch.setattr(RequestHandler, "data_received", data_received)
    tls = None
    if encrypted:
        authority = Authority(tmp_path, "zone")
        certificate, key = authority.issue("introspection")
        config = config.model_copy(update={"tls_certificate_file": certificate, "tls_key_file": key})
        tls = ssl.create_default_context(cafile=authority.certificate)

    async def introspect(_token):
        return ACTIVE

    server = create_introspection_server(config, introspect=introspect, metrics=Metrics(CollectorRegistry()))
    await server.start()
    try:
        statuses, _ = await pipelined(server.address, "/introspect", f"Bearer {KEY}", 300, tls)
    finally:
        await server.stop()
    assert statuses == [b"200"] * 300
    assert sum(received) > 50_000
    assert max(received) <= most


def test_off_unless_configured():
    """Without listen there is no server."""

    async def introspect(_token):
        raise AssertionError

    metrics = Metrics(CollectorRegistry())
    assert create_introspection_server(IntrospectionConfig(), introspect=introspect, metrics=metrics) is None


@pytest.mark.parametrize(
    ("mode", "content", "expected"),
    [
        (0o640, KEY, "others can read it"),
        (0o600, "short", "fewer than 32 characters"),
        (None, "", "No such file"),
    ],
)
def test_unusable_key_files_stop_the_start(tmp_path, mode, content, expected):
    """A key file that others can read, that is short or missing is refused."""
    file = tmp_path / "key"
    if mode is not None:
        file.write_text(content)
        file.chmod(mode)
    with pytest.raises(ClientKeyError, match=expected):
        Clients([IntrospectionClient(id="a", key_file=file, audiences=("x",))])


def test_changed_key_file_is_read_again(tmp_path, monkeypatch):
    """A rotated key works and the old one stops; an unusable file locks its client out."""
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o600)
    now = [100.0]
    monkeypatch.setattr("tabard_sidecar.http.clients.time.monotonic", lambda: now[0])
    clients = Clients([IntrospectionClient(id="a", key_file=file, audiences=("x",))])
    assert clients.authenticate(f"Bearer {KEY}").id == "a"
    file.write_text(OTHER)
    now[0] += 10
    assert clients.authenticate(f"Bearer {KEY}") is None
    assert clients.authenticate(f"Bearer {OTHER}").id == "a"
    file.chmod(0o644)
    file.write_text(KEY)
    now[0] += 10
    assert clients.authenticate(f"Bearer {KEY}") is None
    assert clients.authenticate(f"Bearer {OTHER}") is None


async def test_introspection_over_tls(config, tmp_path):
    """A client that trusts the authority is answered; one that doesn't, sends nothing."""
    authority = Authority(tmp_path, "zone")
    certificate, key = authority.issue("introspection")
    secured = config.model_copy(update={"tls_certificate_file": certificate, "tls_key_file": key})

    async def introspect(_token):
        return ACTIVE

    metrics = Metrics(CollectorRegistry())
    server = create_introspection_server(secured, introspect=introspect, metrics=metrics)
    await server.start()
    url = f"https://{server.address}/introspect"
    headers = {"Authorization": f"Bearer {KEY}"}
    try:
        async with aiohttp.ClientSession(headers=headers) as session:
            trusted = ssl.create_default_context(cafile=authority.certificate)
            async with session.post(url, data={"token": "good"}, ssl=trusted) as response:
                assert (await response.json())["active"] is True
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.post(url, data={"token": "good"}, ssl=ssl.create_default_context())
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"token=good", {"Content-Type": "application/x-www-form-urlencoded; charset=nonsense"}),
        (b"token=\xff\xfe", {}),
        (b"not gzip", {"Content-Encoding": "gzip"}),
    ],
)
async def test_a_form_that_cannot_be_decoded_is_refused(listening, body, headers):
    """With 400; the sidecar's own failure would be 500."""
    form = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession() as session:
        url = f"http://{listening}/introspect"
        async with session.post(url, data=body, headers=form | headers) as response:
            assert response.status == 400
