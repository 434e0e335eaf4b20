"""HTTP to a vault, within bounds: time, size, connections, one host, no redirects, and no proxy of the environment.

hvac writes the requests. It is synchronous, so whatever is here runs in threads of the vault (:mod:`.lanes`).
"""

from __future__ import annotations

import io
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import requests
from hvac.adapters import RawAdapter
from requests import adapters
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
)

from tabard_sidecar.credentials.vault.faults import VaultFault, invalid, unavailable
from tabard_sidecar.credentials.vault.replies import read_reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_REPLY_BYTES = 256 * 1024
"""Longest reply that is read."""

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "tabard", "Accept": "application/json"}


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


def check_time() -> float:
    """Return how many seconds the thread's work has left.

    Raises:
        VaultFault: none.
    """
    try:
        return _request.left()
    except TimeoutError:
        raise unavailable("no time was left to ask it", nothing_done=True) from None


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
    """Connections to the vault, with its certificate authorities only."""

    def __init__(self, context: ssl.SSLContext, most: int) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=most, max_retries=0, pool_block=True)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as the base class
        super().init_poolmanager(*args, ssl_context=self._context, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}

    def cert_verify(self, conn: Any, *_: object, **__: object) -> None:  # noqa: ANN401 - as the base class
        # The base class would add the certificate authorities that requests brings.
        conn.cert_reqs = "CERT_REQUIRED"


class _Session(requests.Session):
    """Sends requests to one host; there is no adapter for another one."""

    def __init__(self, address: str, context: ssl.SSLContext, most: int) -> None:
        super().__init__()
        self.trust_env = False
        self.headers.clear()
        self.headers.update(_HEADERS)
        self.adapters.clear()
        self.mount(f"{address}/", _Connections(context, most))

    def request(self, method: Any, url: Any, **options: Any) -> requests.Response:  # type: ignore[override]  # noqa: ANN401
        options |= {"allow_redirects": False, "stream": True, "timeout": check_time()}
        return super().request(method, url, **options)


class VaultAdapter(RawAdapter):  # type: ignore[misc]  # hvac has no types
    """Sends what hvac's API classes write, and returns replies as objects that were checked to be one."""

    def request(self, method: str, url: str, **options: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Send one request.

        Raises:
            VaultFault: the vault can't be reached, refuses, or its reply isn't acceptable.
        """
        options["raise_exception"] = False
        try:
            response = super().request(method, url, **options)
            try:
                content = _content(response)
            except BaseException:
                response.close()  # what was read whole leaves its connection to the next request
                raise
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _explained(error) from None
        return read_reply(response.status_code, content)


class VaultTransport:
    """Makes hvac adapters that share connections.

    Args:
        address: scheme, host and port.
        ca_file: certificates to trust instead of the system's.
        namespace: namespace; empty for none.
        connections: most connections at once.

    Raises:
        ValueError: ``ca_file`` can't be used.
    """

    def __init__(self, address: str, *, ca_file: Path | None, namespace: str, connections: int) -> None:
        self._address = address
        self._namespace = namespace
        self._session = _Session(address, _context(ca_file), connections)

    def adapter(self, token: str = "") -> VaultAdapter:
        """Return an adapter that presents ``token``, for one of hvac's API classes."""
        return VaultAdapter(
            base_uri=self._address,
            token=token or None,
            session=self._session,
            namespace=self._namespace or None,
            allow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections that nothing uses."""
        self._session.close()


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"{ca_file}: no CA certificates can be read: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _content(response: requests.Response) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise invalid("its reply is compressed, which it wasn't asked for")
    content = b""
    # Only a read that gives nothing tells a whole reply from one that ends early.
    while part := response.raw.read(MAX_REPLY_BYTES + 1, decode_content=False):
        content += part
        if len(content) > MAX_REPLY_BYTES:
            raise invalid(f"its reply is longer than {MAX_REPLY_BYTES} bytes")
    return content


def _explained(error: Exception) -> VaultFault:
    """Return the fault of a request without a whole reply."""
    causes = list(_causes(error))
    verification = next((one for one in causes if isinstance(one, ssl.SSLCertVerificationError)), None)
    if verification is not None:
        return unavailable(
            f"its certificate isn't acceptable: {verification.verify_message or verification.reason}",
            nothing_done=True,
        )
    never_sent = any(isinstance(one, NewConnectionError | ConnectTimeoutError) for one in causes)
    timed_out = (TimeoutError, ReadTimeoutError, ConnectTimeoutError)
    # urllib3 derives the error of a connection that is refused from that of one that takes too long.
    if any(isinstance(one, timed_out) and not isinstance(one, NewConnectionError) for one in causes):
        return unavailable("it didn't answer in time", nothing_done=never_sent)
    reasons = [one for one in causes if isinstance(one, OSError) and one.strerror]
    if never_sent:
        why = reasons[0].strerror if reasons else "no connection can be made"
        return unavailable(f"it can't be reached: {why}", nothing_done=True)
    if any(isinstance(one, ssl.SSLError) for one in causes):
        return unavailable("TLS failed")
    return unavailable("it closed the connection, or answered with something that isn't HTTP")


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
