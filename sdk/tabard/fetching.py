"""Fetches small documents over https, or on this machine over http or a unix socket.

A time-out is for the whole exchange: looking up the name, connecting, TLS and every byte of the answer. Sockets have
one for each read only, so a server that sends a byte now and then could hold the caller for ever.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import Future
from functools import lru_cache
from pathlib import Path

from tabard.peer import peer_of

MAX_DOCUMENT_BYTES = 1 << 20
UNIX = "unix:"


class FetchError(Exception):
    """A document can't be had; the message says which one and why."""


def check_url(url: str) -> None:
    """Check that the content of a backend's URL can't be changed between the server and this process.

    Raises:
        ValueError: it is none of ``https:``, ``http:`` on this machine, and ``unix:`` with an absolute path.
    """
    if url.startswith(UNIX):
        if not url.removeprefix(UNIX).startswith("/") or url.startswith(f"{UNIX}//"):
            message = f"{url}: write unix:/path/of/the/socket"
            raise ValueError(message)
        return
    parts = urllib.parse.urlsplit(url)
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        message = f"{url}: use https, http on this machine only, or unix:/path/of/a/socket"
        raise ValueError(message)


def fetch(
    request: urllib.request.Request, timeout_seconds: float, *, unix_socket: Path | None = None
) -> bytes:
    """Return a response's body; follows no redirect.

    Plain http never leaves the machine: the proxies that the environment names are used for https only, where they
    carry TLS and can't read or change it.

    Args:
        request: the request, to a URL that :func:`check_url` accepted.
        timeout_seconds: longest wait for the whole answer.
        unix_socket: the socket to connect to in place of the URL's host. The process that listens on it has to run as
            root or as this user.

    Raises:
        FetchError: the request failed, took too long, or the body has more than 1 MiB.
    """
    exchange = Exchange(request, timeout_seconds, unix_socket=unix_socket, proxy=_https_proxy())
    try:
        return exchange.start().result(timeout_seconds)
    except TimeoutError:
        raise FetchError(f"{exchange.name}: no whole answer within {timeout_seconds:g} s") from None
    finally:
        exchange.abandon()


class Exchange:
    """One request and its answer in a thread of its own, which :meth:`abandon` ends.

    Args:
        request: the request.
        timeout_seconds: longest wait for each single read.
        unix_socket: the socket to connect to in place of the URL's host.
        tls: the context of https connections; by default the system's certificate authorities count.
        proxy: URL of a proxy for https requests.
    """

    def __init__(
        self,
        request: urllib.request.Request,
        timeout_seconds: float,
        *,
        unix_socket: Path | None = None,
        tls: ssl.SSLContext | None = None,
        proxy: str = "",
    ) -> None:
        self.name = f"{UNIX}{unix_socket}" if unix_socket else request.full_url
        self._request = request
        self._timeout_seconds = timeout_seconds
        self._unix_socket = unix_socket
        self._tls = tls or _system_tls()
        self._proxy = proxy
        self._answer: Future[bytes] = Future()
        self._lock = threading.Lock()
        self._handles: list[socket.socket] = []
        self._abandoned = False

    def start(self) -> Future[bytes]:
        """Begin the exchange.

        Returns:
            The body to come; or :class:`FetchError`, whose cause is the transport's exception.
        """
        try:
            threading.Thread(target=self._run, name="tabard-fetch", daemon=True).start()
        except RuntimeError as error:  # too many threads
            self._fail(str(error), error)
        return self._answer

    def _run(self) -> None:
        if not self._answer.set_running_or_notify_cancel():
            return
        try:
            with self._opener().open(self._request, timeout=self._timeout_seconds) as response:
                body: bytes = response.read(MAX_DOCUMENT_BYTES + 1)
            if len(body) > MAX_DOCUMENT_BYTES:
                self._fail(f"more than {MAX_DOCUMENT_BYTES} bytes", None)
            else:
                self._answer.set_result(body)
        except urllib.error.HTTPError as error:
            error.close()
            self._fail(f"status {error.code}", error)
        except (
            OSError,
            ValueError,
            http.client.HTTPException,
        ) as error:  # URLError and time-outs are OSErrors
            late = isinstance(getattr(error, "reason", error), TimeoutError)
            problem = f"no whole answer within {self._timeout_seconds:g} s" if late else str(error)
            self._fail(problem or type(error).__name__, error)
        finally:
            with self._lock:
                while self._handles:
                    self._handles.pop().close()

    def _fail(self, problem: str, cause: Exception | None) -> None:
        error = FetchError(f"{self.name}: {problem}")
        error.__cause__ = cause
        self._answer.set_exception(error)

    def abandon(self) -> None:
        """Cut the connection, so that the thread that reads from it ends."""
        with self._lock:
            self._abandoned = True
            for handle in self._handles:
                _cut(handle)

    def watch(self, connected: socket.socket) -> None:
        """Keep a second handle of a connection: TLS and proxies take the first one over."""
        with self._lock:
            if self._abandoned:
                raise TimeoutError
            self._handles.append(connected.dup())

    def connect(
        self, address: tuple[str, int], timeout: float | None, source: tuple[str, int] | None = None
    ) -> socket.socket:
        """Connect as :func:`socket.create_connection` does; the exchange can cut what it returns."""
        connected = socket.create_connection(address, timeout, source)
        self.watch(connected)
        return connected

    def _opener(self) -> urllib.request.OpenerDirector:
        only_https = urllib.request.ProxyHandler({"https": self._proxy} if self._proxy else {})
        return urllib.request.build_opener(
            _NoRedirect, only_https, _Plain(self, self._unix_socket), _Tls(self, self._tls)
        )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: object) -> None:
        return None


class _Plain(urllib.request.HTTPHandler):
    """Makes http connections that the exchange can cut."""

    def __init__(self, exchange: Exchange, unix_socket: Path | None) -> None:
        super().__init__()
        self._exchange = exchange
        self._unix_socket = unix_socket

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req)  # type: ignore[arg-type]

    def _connection(self, host: str, *, timeout: float) -> http.client.HTTPConnection:
        if self._unix_socket is not None:
            return _UnixConnection(self._exchange, self._unix_socket, host, timeout)
        connection = http.client.HTTPConnection(host, timeout=timeout)
        # Every way to connect calls it, before the answer of a proxy or TLS is waited for.
        connection._create_connection = self._exchange.connect  # type: ignore[attr-defined] # noqa: SLF001
        return connection


class _Tls(urllib.request.HTTPSHandler):
    """Makes https connections that the exchange can cut."""

    def __init__(self, exchange: Exchange, tls: ssl.SSLContext) -> None:
        super().__init__(context=tls)
        self._exchange = exchange
        self._tls = tls

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req)  # type: ignore[arg-type]

    def _connection(self, host: str, *, timeout: float) -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection(host, timeout=timeout, context=self._tls)
        connection._create_connection = self._exchange.connect  # type: ignore[attr-defined] # noqa: SLF001
        return connection


class _UnixConnection(http.client.HTTPConnection):
    """A connection to a unix socket of this user or root."""

    def __init__(self, exchange: Exchange, path: Path, host: str, timeout: float) -> None:
        super().__init__(host, timeout=timeout)
        self._exchange = exchange
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
        self._exchange.watch(self.sock)
        user = peer_of(self.sock).uid
        if user not in {0, os.geteuid()}:
            message = f"user {user} listens there, neither root nor this user {os.geteuid()}"
            raise PermissionError(message)


def _cut(handle: socket.socket) -> None:
    try:
        handle.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _https_proxy() -> str:
    return urllib.request.getproxies().get("https", "")


@lru_cache(maxsize=1)
def _system_tls() -> ssl.SSLContext:
    return ssl.create_default_context()
