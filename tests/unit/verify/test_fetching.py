"""Documents of the zone: never through a proxy in clear, never longer than the time-out, only from trusted listeners."""

from __future__ import annotations

import os
import socket
import threading
import time
import urllib.request
from contextlib import closing, contextmanager, suppress

import pytest
from tabard import fetching
from tabard.fetching import FetchError, check_url, fetch
from tabard.peer import Peer
from tabard.verify import Verifier

from tests.support.backends import Documents, serve_unix

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_TIMEOUT_SECONDS = 0.4
_FAR_BELOW_FOR_EVER_SECONDS = 10.0


@pytest.fixture(autouse=True)
def proxies(monkeypatch):
    """No proxy of the machine that runs the tests."""
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)


@contextmanager
def talking(*, said: bytes, again: bytes):
    """A server that says something at once and something again until the client leaves."""

    def talk(connection):
        with closing(connection), suppress(OSError):
            connection.sendall(said)
            while not stopped.wait(0.05):
                connection.sendall(again)

    def accept():
        with suppress(OSError):
            while True:
                threading.Thread(target=talk, args=(listening.accept()[0],), daemon=True).start()

    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        stopped.set()


def get(url, **options):
    return fetch(urllib.request.Request(url), _TIMEOUT_SECONDS, **options)  # noqa: S310  # a server of this test


@pytest.fixture
def threads():
    """Finds the threads that fetch for this test; those of others may still wait for their own servers."""
    before = set(threading.enumerate())
    return lambda: [one for one in threading.enumerate() if one.name == "tabard-fetch" and one not in before]


@pytest.mark.parametrize(
    ("scheme", "said", "again"),
    [
        ("http", b"", b"H"),
        ("http", b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
        ("http", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        ("http", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("https", b"\x16\x03\x03\x40\x00", b"\x02"),
    ],
    ids=["status line", "header", "body", "chunks", "100 Continue", "TLS handshake"],
)
def test_a_server_that_drips_holds_no_caller_longer_than_the_timeout(threads, scheme, said, again):
    began = time.monotonic()
    with talking(said=said, again=again) as address:
        with pytest.raises(FetchError, match=r"no whole answer within 0\.4 s"):
            get(f"{scheme}://{address}/document")
        for thread in threads():
            thread.join(_FAR_BELOW_FOR_EVER_SECONDS)
        assert not threads()
    assert time.monotonic() - began < _FAR_BELOW_FOR_EVER_SECONDS


def test_a_proxy_that_drips_holds_no_caller_either(threads, monkeypatch):
    with talking(said=b"HTTP/1.1 200 OK\r\nX: ", again=b"x") as address:
        monkeypatch.setenv("https_proxy", f"http://{address}")
        with pytest.raises(FetchError, match="no whole answer"):
            get("https://keys.invalid/document")
        for thread in threads():
            thread.join(_FAR_BELOW_FOR_EVER_SECONDS)
        assert not threads()


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy", "ALL_PROXY"])
def test_plain_http_on_this_machine_goes_through_no_proxy(monkeypatch, name):
    with (
        Documents(lambda _: (200, {"from": "proxy"})) as proxy,
        Documents(lambda _: (200, {"from": "zone"})) as zone,
    ):
        monkeypatch.setenv(name, proxy.url)
        assert get(zone.url) == b'{"from": "zone"}'
        assert proxy.requests == 0


def test_https_goes_through_the_proxy_of_the_environment(monkeypatch):
    with Documents(lambda _: (200, {})) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(FetchError, match="Tunnel connection failed"):
            get("https://keys.invalid/document")


def test_keys_come_over_a_unix_socket_of_this_user(folder, issuer, replay):
    with serve_unix(folder / "h", lambda _: (200, issuer.jwks())) as server:
        verifier = Verifier("refunds", issuer=issuer.name, jwks=f"unix:{folder}/h", replay=replay)
        assert verifier.verify(issuer.jwt("t"), "t", {})
        assert server.paths == ["/.well-known/jwks.json"]


def test_a_unix_socket_of_another_user_gives_no_keys(folder, issuer, monkeypatch):
    monkeypatch.setattr(fetching, "peer_of", lambda _: Peer(1, os.geteuid() + 1, 1))
    with serve_unix(folder / "h", lambda _: (200, issuer.jwks())) as server:
        with pytest.raises(FetchError, match="listens there, neither root nor this user"):
            get("http://localhost/.well-known/jwks.json", unix_socket=folder / "h")
        assert server.requests == 0


@pytest.mark.parametrize(
    "url", ["unix:h", "unix://run/h", "http://keys.example/", "ftp://localhost/", "https:///x"]
)
def test_other_urls_are_refused(url):
    with pytest.raises(ValueError, match="unix:/"):
        check_url(url)
