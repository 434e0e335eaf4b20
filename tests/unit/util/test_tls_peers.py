"""No byte of ours reaches a TLS server whose certificate isn't right, whichever client it is."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tabard import fetching
from tabard.verify import Rejected
from tabard.verify.introspection import IntrospectionClient
from tabard.verify.keys import key_set
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.identity.fetch import Fetcher, FetchError
from tabard_sidecar.policy.conf import RemoteConfig
from tabard_sidecar.policy.engines.opa_client import OpaClient
from tabard_sidecar.state.redis import RedisOptions, RedisStateStore

from tests.support.tls import Authority

HOUR = dt.timedelta(hours=1)
LOOPBACK = "127.0.0.1"


class Listener:
    """A TLS server that notes what it gets and answers nothing that any client takes."""

    def __init__(self, certificate: Path, key: Path, most: ssl.TLSVersion | None = None) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if most is not None:
            context.minimum_version = context.maximum_version = most
        self._context = context
        self._socket = socket.create_server((LOOPBACK, 0))
        self.port = self._socket.getsockname()[1]
        self.received: list[bytes] = []
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                with contextlib.suppress(OSError, ssl.SSLError), connection:
                    connection.settimeout(5)
                    with self._context.wrap_socket(connection, server_side=True) as secured:
                        if piece := secured.recv(65536):
                            self.received.append(piece)

    def close(self) -> None:
        self._socket.close()


async def redis(port: int, authority: Authority, folder: Path) -> None:
    password = folder / "password"
    password.write_text("secret")
    options = RedisOptions(
        f"rediss://{LOOPBACK}:{port}/0",
        ca_file=authority.certificate,
        password_file=password,
        timeout_seconds=3,
    )
    store = RedisStateStore(options, zone="z")
    with pytest.raises(NoDecision):
        await store.open()
    await store.close()


async def opa(port: int, authority: Authority, folder: Path) -> None:
    token = folder / "token"
    token.write_text("secret")
    client = OpaClient(
        RemoteConfig(url=f"https://{LOOPBACK}:{port}", ca_file=authority.certificate, token_file=token)
    )
    client.refresh()
    with pytest.raises(NoDecision):
        await client.post("/v1/data", b"secret", 3)
    await client.close()


async def issuer(port: int, authority: Authority, folder: Path) -> None:
    token, url = folder / "token", f"https://{LOOPBACK}:{port}/keys"
    token.write_text("secret")
    fetcher = Fetcher(
        timeout_seconds=3, ca_file=authority.certificate, bearer_token_file=token, bearer_for=url
    )
    with pytest.raises(FetchError):
        await fetcher.get(url)


async def backends_keys(port: int, _authority: Authority, _folder: Path) -> None:
    with pytest.raises(Rejected, match="keys_unavailable"):
        await asyncio.to_thread(key_set(f"https://{LOOPBACK}:{port}/keys").get, "k")


async def introspection(port: int, _authority: Authority, _folder: Path) -> None:
    client = IntrospectionClient(f"https://{LOOPBACK}:{port}/introspect", "secret")
    with pytest.raises(Rejected, match="introspection_unavailable"):
        await asyncio.to_thread(client.check, "secret", "id")


CLIENTS = [redis, opa, issuer, backends_keys, introspection]


@pytest.fixture
def authority(tmp_path, monkeypatch) -> Iterator[Authority]:
    """The one authority that every client trusts: by configuration, or as the system's."""
    authority = Authority(tmp_path, "ours")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    fetching._system_tls.cache_clear()
    yield authority
    fetching._system_tls.cache_clear()


@pytest.fixture
def listen():
    opened = []

    def listen(*arguments) -> Listener:
        opened.append(Listener(*arguments))
        return opened[-1]

    yield listen
    for one in opened:
        one.close()


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
async def test_a_server_of_the_authority_is_asked(authority, listen, tmp_path, client):
    """So that the refusals below are those of certificates."""
    server = listen(*authority.issue("server"))
    await client(server.port, authority, tmp_path)
    assert server.received


BAD = {
    "another name": lambda ours, _: ours.issue("server", names=["other.example"]),
    "a name that only begins like it": lambda ours, _: ours.issue("server", names=["127.0.0.1.example"]),
    "the address as a name": lambda ours, _: ours.issue("server", names=["127.0.0.1"]),
    "no name": lambda ours, _: ours.issue("127.0.0.1", names=[]),
    "expired": lambda ours, _: ours.issue("server", begins=-2 * HOUR, ends=-HOUR),
    "not valid before tomorrow": lambda ours, _: ours.issue("server", begins=24 * HOUR, ends=25 * HOUR),
    "another authority": lambda _, theirs: theirs.issue("server"),
    "an authority of the same name": lambda ours, _: Authority(ours.folder / "more", "ours").issue("server"),
    "signed by itself": lambda ours, _: Authority.issue_own(ours.folder, "server"),
    "for clients only": lambda ours, _: ours.issue("server", usage="client"),
}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_a_server_whose_certificate_is_not_right_gets_nothing(authority, listen, tmp_path, client, bad):
    (tmp_path / "more").mkdir()
    server = listen(*bad(authority, Authority(tmp_path, "theirs")))
    await client(server.port, authority, tmp_path)
    assert server.connections
    assert server.received == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=lambda one: one.name)
async def test_old_versions_of_tls_are_not_spoken(authority, listen, tmp_path, client, version):
    server = listen(*authority.issue("server"), version)
    await client(server.port, authority, tmp_path)
    assert server.received == []
