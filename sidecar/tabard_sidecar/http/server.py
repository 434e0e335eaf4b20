"""Serves read-only pages over HTTP/1.1: GET and HEAD, one request per connection.

Health, metrics and public keys need no more. Importing aiohttp, which serves introspection, takes a quarter of the
sidecar's start and 10 MB, so the default configuration doesn't use it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import field
from http import HTTPStatus

from tabard_sidecar.http.connections import Acceptor, Connection
from tabard_sidecar.http.listener import Listener
from tabard_sidecar.util.lean import dataclass

_MAX_HEAD_BYTES = 16 * 1024
_SECONDS = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer."""

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpServer:
    """Serves pages on one address.

    A connection may take five seconds, a request's head 16 KiB. Of connections that bring no request the oldest ends if
    there are too many.

    Args:
        pages: function that creates the page, by path.
        address: ``host:port`` or ``unix:/path``.
        most: most connections at once.
        seconds: longest time for one connection.
    """

    def __init__(
        self,
        pages: Mapping[str, Callable[[], Page]],
        address: str,
        *,
        most: int,
        seconds: float = _SECONDS,
    ) -> None:
        self._pages = pages
        self._listener: Listener | None = None
        self._acceptor = Acceptor(self._serve, most=most, seconds=seconds)
        self.address = address

    def listen(self) -> socket.socket:
        """Open the listening socket; ``address`` then holds the actual address, also if port 0 was configured.

        Raises:
            BindError: the address is in use or isn't this machine's.
        """
        if self._listener is None:
            self._listener = Listener(self.address)
            self.address = self._listener.address
        return self._listener.socket

    async def start(self) -> None:
        """Listen, if :meth:`listen` wasn't called, and serve in this event loop.

        Raises:
            BindError: the address is in use or isn't this machine's.
        """
        self._acceptor.start(self.listen())

    async def stop(self) -> None:
        """Stop listening and close open connections."""
        await self._acceptor.stop()
        if self._listener is not None:
            self._listener.close()

    async def _serve(self, connection: Connection) -> None:
        head = await _read_head(connection.socket)
        if head is not None:
            page, with_body = self._answer(head)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(connection.socket, _encode(page, with_body=with_body))

    def _answer(self, head: bytes) -> tuple[Page, bool]:
        """Return the page for a request, and whether its body is wanted."""
        if len(head) > _MAX_HEAD_BYTES:
            return _error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE), True
        method, target, version = (*head.split(b"\r\n", 1)[0].split(b" "), b"", b"")[:3]
        if not version.startswith(b"HTTP/1."):
            return _error(HTTPStatus.BAD_REQUEST), True
        make = self._pages.get(target.split(b"?", 1)[0].decode("ascii", "replace"))
        if make is None:
            return _error(HTTPStatus.NOT_FOUND), method != b"HEAD"
        if method not in {b"GET", b"HEAD"}:
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"}), True
        try:
            return make(), method == b"GET"
        except Exception:  # noqa: BLE001 - a defect in one page must not end the others
            _log.exception("page failed", extra={"path": target.decode("ascii", "replace")})
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR), True


async def _read_head(connection: socket.socket) -> bytes | None:
    """Return a request's head, longer than 16 KiB if it is too long; ``None`` if the peer ends before."""
    loop, head = asyncio.get_running_loop(), b""
    while b"\r\n\r\n" not in head and len(head) <= _MAX_HEAD_BYTES:
        piece = await loop.sock_recv(connection, _MAX_HEAD_BYTES)
        if not piece:
            return None
        head += piece
    end = head.find(b"\r\n\r\n")
    return head if end < 0 else head[:end]


def _error(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Page:
    return Page(f"{status.value} {status.phrase}\n".encode(), status=status, headers=headers or {})


def _encode(page: Page, *, with_body: bool) -> bytes:
    headers = {
        "Content-Type": page.content_type,
        "Content-Length": str(len(page.body)),
        "Connection": "close",
        "X-Content-Type-Options": "nosniff",
        **page.headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {page.status.value} {page.status.phrase}\r\n{head}\r\n".encode() + (
        page.body if with_body else b""
    )
