"""HTTP to one server, within bounds: time, size, connections, one host, no redirects, and no proxy of the environment.

requests is synchronous, so whatever is here runs in threads (:mod:`tabard_sidecar.util.lanes`). Its adapter is asked without a
session: cookies, redirects, hooks and settings of the environment aren't wanted, and take half of a request's time.
"""

from __future__ import annotations

import io
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import requests
from requests import adapters
from requests.structures import CaseInsensitiveDict
from tabard.arguments import ArgumentsError, parse_json
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_REPLY_BYTES = 256 * 1024
"""Longest reply that is read."""

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "tabard", "Accept": "application/json"}


class Faults(Protocol):
    """Makes the errors of one kind of server. Messages begin with a pronoun for the server."""

    def unavailable(self, message: str, *, nothing_done: bool = False) -> Exception:
        """Return the error of a server that can't be reached; ``nothing_done`` if it certainly did nothing."""
        ...

    def invalid(self, message: str) -> Exception:
        """Return the error of a reply that isn't acceptable."""
        ...


class _Request(threading.local):
    """When the work of this thread has to be done, in seconds of the monotonic clock."""

    deadline = 0.0

    def left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the request is over")
        return left


_request = _Request()


@contextmanager
def until(deadline: float) -> Iterator[None]:
    """Let all requests of this thread end by ``deadline``, in seconds of the monotonic clock."""
    _request.deadline = deadline
    try:
        yield
    finally:
        _request.deadline = 0.0


def check_time(faults: Faults) -> float:
    """Return how many seconds the thread's work has left.

    Raises:
        Exception: none, of the kind that ``faults`` makes.
    """
    try:
        return _request.left()
    except TimeoutError:
        raise faults.unavailable("no time was left to ask it", nothing_done=True) from None


class _TimedReader(io.RawIOBase):
    """Reads from a socket until the deadline, however slowly the bytes come."""

    def __init__(self, sock: Any) -> None:  # noqa: ANN401 - a plain or a TLS socket
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - a buffer
        self._sock.settimeout(_request.left())
        return cast("int | None", self._raw.readinto(buffer))

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedSocket:
    """A connected socket; http.client reads replies from what :meth:`makefile` returns."""

    def __init__(self, sock: Any) -> None:  # noqa: ANN401 - a plain or a TLS socket
        self._sock = sock

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - everything else is the socket's
        return getattr(self._sock, name)


class _PlainConnection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = cast("Any", _TimedSocket(self.sock))


class _TlsConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = cast("Any", _TimedSocket(self.sock))


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Connections(adapters.HTTPAdapter):
    """Connections to the server, with its certificate authorities only."""

    def __init__(self, context: ssl.SSLContext, most: int) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=most, max_retries=0, pool_block=True)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as the base class
        super().init_poolmanager(*args, ssl_context=self._context, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}

    def cert_verify(self, conn: Any, *_: object, **__: object) -> None:  # noqa: ANN401 - as the base class
        # The base class would add the certificate authorities that requests brings.
        conn.cert_reqs = "CERT_REQUIRED"

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:  # noqa: ANN401 - as the base class
        # The base class would read cookies and the text's encoding.
        response = requests.Response()
        response.status_code, response.headers, response.raw = resp.status, resp.headers, resp
        response.url, response.request = req.url or "", req
        return response


class Reply(NamedTuple):
    """A whole reply."""

    status: int
    content: bytes


class BoundedSession:
    """Sends requests to one host, and reads their replies.

    Args:
        origin: scheme, host and port.
        ca_file: certificates to trust instead of the system's.
        connections: most connections at once.
        faults: makes the errors.

    Raises:
        ValueError: ``ca_file`` can't be used.
    """

    def __init__(self, origin: str, *, ca_file: Path | None, connections: int, faults: Faults) -> None:
        self._origin = origin
        self._faults = faults
        self._connections = _Connections(_context(ca_file), connections)

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        """Send a request by the thread's deadline (:func:`until`), and return its reply.

        Args:
            method: GET or another, in capitals.
            path: begins with a slash.
            headers: in addition to those that every request has.
            body: what is sent; ``None`` for nothing.

        Raises:
            Exception: there is no whole reply within the bounds, of the kind that ``faults`` makes.
        """
        seconds = check_time(self._faults)
        try:
            response = self._connections.send(
                self._prepared(method, path, headers or {}, body), stream=True, timeout=seconds
            )
            try:
                return Reply(response.status_code, _content(response, self._faults))
            except BaseException:
                # What was read whole leaves its connection to the next request.
                response.close()
                raise
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _explained(error, self._faults) from None

    def _prepared(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> requests.PreparedRequest:
        """Return a request whose parts are used as they are; requests would read and write each anew."""
        prepared = requests.PreparedRequest()
        prepared.method = method
        prepared.url = self._origin + path
        prepared.headers = CaseInsensitiveDict({**_HEADERS, **headers})
        if body is not None:
            prepared.body = body
            prepared.headers["Content-Length"] = str(len(body))
        return prepared

    def close(self) -> None:
        """Close the connections that nothing uses."""
        self._connections.close()


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"{ca_file}: no CA certificates can be read: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _content(response: requests.Response, faults: Faults) -> bytes:
    """Return the whole body of a reply.

    Raises:
        Exception: it is too long or compressed, of the kind that ``faults`` makes; or an error of requests, urllib3 or the system.
    """
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise faults.invalid("its reply is compressed, which it wasn't asked for")
    content = b""
    # Only a read that gives nothing tells a whole reply from one that ends early.
    while part := response.raw.read(MAX_REPLY_BYTES + 1, decode_content=False):
        content += part
        if len(content) > MAX_REPLY_BYTES:
            raise faults.invalid(f"its reply is longer than {MAX_REPLY_BYTES} bytes")
    return content


def _explained(error: Exception, faults: Faults) -> Exception:
    """Return the fault of a request without a whole reply."""
    causes = list(_causes(error))
    verification = next((one for one in causes if isinstance(one, ssl.SSLCertVerificationError)), None)
    if verification is not None:
        return faults.unavailable(
            f"its certificate isn't acceptable: {verification.verify_message or verification.reason}",
            nothing_done=True,
        )
    never_sent = any(isinstance(one, NewConnectionError | ConnectTimeoutError) for one in causes)
    timed_out = (TimeoutError, ReadTimeoutError, ConnectTimeoutError)
    # urllib3 derives the error of a connection that is refused from that of one that takes too long.
    if any(isinstance(one, timed_out) and not isinstance(one, NewConnectionError) for one in causes):
        return faults.unavailable("it didn't answer in time", nothing_done=never_sent)
    reasons = [one for one in causes if isinstance(one, OSError) and one.strerror]
    if never_sent:
        why = reasons[0].strerror if reasons else "no connection can be made"
        return faults.unavailable(f"it can't be reached: {why}", nothing_done=True)
    if any(isinstance(one, ssl.SSLError) for one in causes):
        return faults.unavailable("TLS failed")
    return faults.unavailable("it closed the connection, or answered with something that isn't HTTP")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and those that it wraps or that led to it."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        one = pending.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        pending += [item for item in one.args if isinstance(item, BaseException)]
        pending += [one.reason] if isinstance(one, MaxRetryError) else []
        pending += [one.__cause__, one.__context__]


def json_object(content: bytes, faults: Faults, *, max_bytes: int) -> Mapping[str, Any]:
    """Return the one JSON object of which a reply consists.

    Raises:
        Exception: of the kind that ``faults`` makes: it is something else, or longer than ``max_bytes``.
    """
    try:
        document = parse_json(content, max_bytes=max_bytes)
    except ArgumentsError as error:
        raise faults.invalid(f"its reply can't be read: {error}") from None
    if not isinstance(document, dict):
        raise faults.invalid("its reply is no JSON object")
    return document
