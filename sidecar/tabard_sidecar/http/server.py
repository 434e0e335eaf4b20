"""Serves read-only pages over HTTP/1.1: GET and HEAD, one request per connection.

Health, metrics and public keys need no more. Importing aiohttp, which serves introspection, takes a quarter of the
sidecar's start and 10 MB, so the default configuration doesn't use it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from tabard_sidecar.http.listener import Listener

_MAX_HEAD_BYTES = 16 * 1024
_MAX_CONNECTIONS = 64
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

    Reading a request and sending its answer may take five seconds each, a request's head 16 KiB; at most 64
    connections are open at once.

    Args:
        pages: function that creates the page, by path.
        address: ``host:port`` or ``unix:/path``.
    """

    def __init__(self, pages: Mapping[str, Callable[[], Page]], address: str) -> None:
        self._pages = pages
        self._listener: Listener | None = None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.address = address

    async def start(self) -> None:
        """Start listening; ``address`` then holds the actual address, also if port 0 was configured.

        Raises:
            BindError: the address is in use or isn't this machine's.
        """
        self._listener = Listener(self.address)
        self.address = self._listener.address
        self._server = await asyncio.start_server(
            self._accept, sock=self._listener.socket, limit=_MAX_HEAD_BYTES
        )

    async def stop(self) -> None:
        """Stop listening and close open connections."""
        if self._server is None or self._listener is None:
            return
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()
        self._listener.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= _MAX_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            page, with_body = await self._answer(reader)
            async with asyncio.timeout(_SECONDS):
                writer.write(_encode(page, with_body=with_body))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # The client has disconnected or is too slow, so no answer can be sent.
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[Page, bool]:
        """Read one request and return its page, and whether its body is wanted."""
        try:
            async with asyncio.timeout(_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
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
