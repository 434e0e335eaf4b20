"""A server of bundles for tests, with ETags and long polling as OPA's bundle API has them, or with whatever it is told."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

BUNDLES = "application/vnd.openpolicyagent.bundles"

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class BundleServer:
    """Serves one bundle on loopback.

    Attributes:
        requests: header fields of each request, by lower-case name; the request line is under "".
        answer: writes every answer instead, if set.
        waits: whether answers wait for a change when they are asked to.
        etags: whether answers have an ETag.
        token: bearer token that is demanded; empty for none.
    """

    def __init__(self, content: bytes = b"") -> None:
        self._content = content
        self._changed = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self.requests: list[dict[str, str]] = []
        self.answer: Answer | None = None
        self.waits = False
        self.etags = True
        self.token = ""

    def put(self, content: bytes) -> None:
        """Serve another bundle from now on."""
        self._content = content
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def etag(self) -> str:
        """The ETag of what is served."""
        return f'"{hashlib.sha256(self._content).hexdigest()[:16]}"'

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[str]:
        """Listen; gives the bundle's URL."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=tls)
        try:
            found = server.sockets[0].getsockname()[1]
            yield f"http{'s' if tls else ''}://127.0.0.1:{found}/bundles/policy.tar.gz"
        finally:
            server.close()
            for writer in self._open:
                writer.transport.abort()
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            line, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            head = {
                name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)
            }
            self.requests.append({"": line, **head})
            if self.answer is not None:
                await self.answer(writer)
            else:
                await self._honest(head, writer)
            await writer.drain()
        writer.close()
        self._open.discard(writer)

    async def _honest(self, head: dict[str, str], writer: asyncio.StreamWriter) -> None:
        if self.token and head.get("authorization") != f"Bearer {self.token}":
            writer.write(reply("401 Unauthorized", b"{}"))
            return
        same = self.etags and head.get("if-none-match") == self.etag
        wait = head.get("prefer", "").partition("wait=")[2]
        if same and self.waits and wait:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), float(wait))
            same = head.get("if-none-match") == self.etag
        kind = f"Content-Type: {BUNDLES if self.waits else 'application/gzip'}"
        etag = (f"ETag: {self.etag}",) if self.etags else ()
        if same:
            writer.write(reply("304 Not Modified", b"", kind, *etag))
        else:
            writer.write(reply("200 OK", self._content, kind, *etag))


def reply(status: str, content: bytes, *fields: str) -> bytes:
    """Return a whole answer."""
    head = "\r\n".join(
        [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", "Connection: close", *fields]
    )
    return head.encode() + b"\r\n\r\n" + content
