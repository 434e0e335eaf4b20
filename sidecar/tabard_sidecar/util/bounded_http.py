"""HTTP to one server, within bounds: time, size, connections, one host, no redirects, and no proxy of the environment.

The standard library's client does it, in threads (:mod:`tabard_sidecar.util.lanes`). A request after a pause costs
what its code takes to get into the processor's caches: 1.3 ms here, 2.5 ms through an adapter of requests.
"""

from __future__ import annotations

import http.client
import io
import select
import ssl
import threading
import time
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast
from urllib.parse import urlsplit

from tabard.arguments import ArgumentsError, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_REPLY_BYTES = 256 * 1024
"""Longest reply that is read by default."""

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


class _Connection(http.client.HTTPConnection):
    """A connection whose reads end by the thread's deadline, and which sends a request in one piece."""

    _unsent = b""

    def connect(self) -> None:
        """Connect, by the deadline."""
        self.timeout = _request.left()
        super().connect()
        self.sock = cast("Any", _TimedSocket(self.sock))

    def send(self, data: Any) -> None:  # noqa: ANN401 - as the base class
        """Keep what is to be sent until :meth:`getresponse`: a server that gets it in parts wakes up for each."""
        self._unsent += data

    def getresponse(self) -> http.client.HTTPResponse:
        """Send the request, and read the head of its reply."""
        unsent, self._unsent = self._unsent, b""
        self.sock.settimeout(_request.left())
        self.sock.sendall(unsent)
        return super().getresponse()

    @property
    def dropped(self) -> bool:
        """Whether the server has closed the connection, or sent something that wasn't asked for."""
        watched = select.poll()
        watched.register(self.sock, select.POLLIN)
        return bool(watched.poll(0))


class _TlsConnection(_Connection, http.client.HTTPSConnection):
    """The same over TLS."""


class _Connections:
    """Connections to the server, with its certificate authorities only.

    Args:
        origin: scheme, host and port.
        context: what is accepted of a server's certificate.
        most: most connections at once.
    """

    def __init__(self, origin: str, context: ssl.SSLContext, most: int) -> None:
        parts = urlsplit(origin)
        self._host, self._port = parts.hostname or "", parts.port
        self._context = context if parts.scheme == "https" else None
        self._places = threading.BoundedSemaphore(most)
        self._idle: list[_Connection] = []
        weakref.finalize(self, _close, self._idle)

    @contextmanager
    def connection(self) -> Iterator[_Connection]:
        """Give a connection, which is kept for further requests if the block is left without an error.

        Raises:
            TimeoutError: none was free by the thread's deadline.
        """
        if not self._places.acquire(timeout=_request.left()):
            raise TimeoutError("all connections were busy")
        try:
            connection = self._kept() or self._new()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            if connection.sock is not None:
                self._idle.append(connection)
        finally:
            self._places.release()

    def close(self) -> None:
        """Close the connections that nothing uses."""
        _close(self._idle)

    def _kept(self) -> _Connection | None:
        while (connection := _popped(self._idle)) is not None:
            if not connection.dropped:
                return connection
            connection.close()
        return None

    def _new(self) -> _Connection:
        if self._context is not None:
            return _TlsConnection(self._host, self._port, context=self._context)
        return _Connection(self._host, self._port)


def _popped(idle: list[_Connection]) -> _Connection | None:
    """Take a connection, which no other thread gets then; ``None`` if there is none."""
    try:
        return idle.pop()
    except IndexError:
        return None


def _close(idle: list[_Connection]) -> None:
    while (connection := _popped(idle)) is not None:
        connection.close()


class Reply(NamedTuple):
    """A whole reply; ``date`` is its header Date."""

    status: int
    content: bytes
    date: str = ""


class BoundedSession:
    """Sends requests to one host, and reads their replies.

    Args:
        origin: scheme, host and port.
        ca_file: certificates to trust instead of the system's.
        connections: most connections at once.
        faults: makes the errors.
        max_bytes: longest reply that is read.

    Raises:
        ValueError: ``ca_file`` can't be used.
    """

    def __init__(
        self,
        origin: str,
        *,
        ca_file: Path | None,
        connections: int,
        faults: Faults,
        max_bytes: int = MAX_REPLY_BYTES,
    ) -> None:
        self._faults = faults
        self._max_bytes = max_bytes
        self._connections = _Connections(origin, _context(ca_file), connections)

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
        check_time(self._faults)
        sent = False
        try:
            with self._connections.connection() as connection:
                if connection.sock is None:
                    connection.connect()
                connection.request(method, path, body, {**_HEADERS, **(headers or {})})
                sent = True
                with connection.getresponse() as response:
                    content = _content(response, self._faults, self._max_bytes)
                    return Reply(response.status, content, response.headers.get("Date", ""))
        except (http.client.HTTPException, OSError) as error:
            raise _explained(error, self._faults, sent=sent) from None

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


def _content(response: http.client.HTTPResponse, faults: Faults, most: int) -> bytes:
    """Return the whole body of a reply.

    Raises:
        Exception: it is too long or compressed, of the kind that ``faults`` makes; or an error of http.client or the system.
    """
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise faults.invalid("its reply is compressed, which it wasn't asked for")
    content = b""
    # Only a read that gives nothing tells a whole reply from one that ends early.
    while part := response.read(most + 1):
        content += part
        if len(content) > most:
            raise faults.invalid(f"its reply is longer than {most} bytes")
    if response.length:
        raise http.client.IncompleteRead(content, response.length)
    return content


def _explained(error: Exception, faults: Faults, *, sent: bool) -> Exception:
    """Return the fault of a request without a whole reply; ``sent`` is False if the server got nothing of it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return faults.unavailable(
            f"its certificate isn't acceptable: {error.verify_message or error.reason}", nothing_done=True
        )
    if isinstance(error, TimeoutError):
        return faults.unavailable("it didn't answer in time", nothing_done=not sent)
    if isinstance(error, ssl.SSLError):
        return faults.unavailable("TLS failed", nothing_done=not sent)
    if not sent:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "no connection can be made"
        return faults.unavailable(f"it can't be reached: {why}", nothing_done=True)
    return faults.unavailable("it closed the connection, or answered with something that isn't HTTP")


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
