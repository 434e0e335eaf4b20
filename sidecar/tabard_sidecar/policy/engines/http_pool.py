"""Asks one HTTP/1.1 server over connections that are kept open.

It does what an OPA server needs and no more, since each decision waits for it: a general client takes longer than OPA does.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple, cast

from tabard_sidecar.util.lean import dataclass

MAX_HEAD_BYTES = 16 * 1024
"""Most bytes of an answer's status line and header fields, and of the lines about one chunk."""
_STATUS = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2})(?: [^\r\n]*)?")
_NAME = re.compile(rb"[!#-'*+.^-z|~0-9A-Z-]+")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]*)?")
_END = b"\r\n\r\n"
_CHUNKED = -1


class Answer(NamedTuple):
    """A whole answer: its status and its content."""

    status: int
    content: bytes


class UnusableAnswerError(Exception):
    """The server's answer is no HTTP/1.1 that this client reads, or is too large."""


class NoPlaceError(Exception):
    """Every connection was busy until the time was over."""


@dataclass(slots=True)
class _Asked:
    """What is read of an answer: ``length`` is of the content, -1 in chunks, ``None`` until the head was read."""

    answer: asyncio.Future[Answer]
    most_bytes: int
    begun: bool = False
    status: int = 0
    length: int | None = None
    keeps: bool = True


class _Connection(asyncio.Protocol):
    """One connection, which answers one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._asked: _Asked | None = None
        self._buffer = bytearray()
        self._content = bytearray()
        self.usable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    async def ask(self, request: bytes, asked: _Asked) -> Answer:
        """Send a request and return the answer. A caller that gives up ends the connection."""
        if self._transport is None or not self.usable:
            raise ConnectionResetError("the connection is closed")
        self._asked = asked
        try:
            self._transport.write(request)
            return await asked.answer
        finally:
            if self._asked is not None:
                self.abort()

    def abort(self) -> None:
        """End the connection at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on. Bytes that answer no request end the connection."""
        asked = self._asked
        if asked is None:
            self.abort()
            return
        asked.begun = True
        self._buffer += data
        try:
            if self._complete(asked):
                self._finish(asked)
        except UnusableAnswerError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that waits for an answer."""
        self.usable = False
        self._fail(ConnectionResetError(str(exc or "the server closed the connection")))

    def _finish(self, asked: _Asked) -> None:
        self._asked = None
        answer, self._content = Answer(asked.status, bytes(self._content)), bytearray()
        if not asked.keeps or self._buffer:
            self.abort()
        if not asked.answer.done():
            asked.answer.set_result(answer)

    def _fail(self, error: Exception) -> None:
        asked, self._asked = self._asked, None
        self.abort()
        if asked is not None and not asked.answer.done():
            asked.answer.set_exception(error)

    def _complete(self, asked: _Asked) -> bool:
        """Read what has come, and tell whether the answer is whole."""
        if asked.length is None and not self._head(asked):
            return False
        length = asked.length or 0
        if length == _CHUNKED:
            return self._chunks(asked)
        if len(self._buffer) < length:
            return False
        self._content += self._buffer[:length]
        del self._buffer[:length]
        return True

    def _head(self, asked: _Asked) -> bool:
        end = self._buffer.find(_END, 0, MAX_HEAD_BYTES)
        if end < 0:
            if len(self._buffer) >= MAX_HEAD_BYTES:
                raise UnusableAnswerError("its head is too large")
            return False
        first, *fields = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + len(_END)]
        status = _STATUS.fullmatch(first)
        if status is None:
            raise UnusableAnswerError("its first line isn't that of an answer")
        asked.status = int(status[1])
        asked.length = self._length(fields, asked)
        return True

    @staticmethod
    def _length(fields: list[bytes], asked: _Asked) -> int:
        """Return how long the content is. An answer that doesn't say it once and clearly isn't used."""
        found: list[int] = []
        for field in fields:
            name, _, raw = field.partition(b":")
            if _NAME.fullmatch(name) is None:
                raise UnusableAnswerError("a header field has no name")
            value, name = raw.strip(b" \t"), name.lower()
            if name == b"content-length" and _LENGTH.fullmatch(value):
                found.append(int(value))
            elif name == b"transfer-encoding" and value.lower() == b"chunked":
                found.append(_CHUNKED)
            elif name in {b"content-length", b"transfer-encoding"}:
                raise UnusableAnswerError("it has an unknown length")
            elif name == b"content-encoding" and value.lower() != b"identity":
                raise UnusableAnswerError("it is compressed, which wasn't asked for")
            elif name == b"connection" and value.lower() != b"keep-alive":
                asked.keeps = False
        if len(found) != 1:
            raise UnusableAnswerError("it has no length, or several")
        if found[0] > asked.most_bytes:
            raise UnusableAnswerError(f"it has more than {asked.most_bytes} bytes")
        return found[0]

    def _chunks(self, asked: _Asked) -> bool:
        """Take whole chunks out of what has come, and tell whether the last one was among them."""
        while True:
            end = self._buffer.find(b"\r\n", 0, MAX_HEAD_BYTES)
            if end < 0:
                if len(self._buffer) >= MAX_HEAD_BYTES:
                    raise UnusableAnswerError("a chunk has no size")
                return False
            size = _CHUNK.fullmatch(bytes(self._buffer[:end]))
            if size is None:
                raise UnusableAnswerError("a chunk has no size")
            length = int(size[1], 16)
            if len(self._content) + length > asked.most_bytes:
                raise UnusableAnswerError(f"it has more than {asked.most_bytes} bytes")
            begin = end + 2
            if len(self._buffer) < begin + length + 2:
                return False
            if self._buffer[begin + length : begin + length + 2] != b"\r\n":
                raise UnusableAnswerError("a chunk is longer than it says, or has trailing fields")
            self._content += self._buffer[begin : begin + length]
            del self._buffer[: begin + length + 2]
            if not length:
                return True


Connect = Callable[
    [Callable[[], asyncio.Protocol]], Awaitable[tuple[asyncio.BaseTransport, asyncio.Protocol]]
]
"""Opens a connection for a protocol, as the loop's own methods do."""


class HttpPool:
    """The connections to one server. Belongs to one event loop.

    Args:
        connect: opens a connection.
        most: most connections at once.
    """

    def __init__(self, connect: Connect, most: int) -> None:
        self._connect = connect
        self._places = asyncio.Semaphore(most)
        self._idle: list[_Connection] = []

    async def ask(self, request: bytes, most_bytes: int, seconds: float) -> Answer:
        """Send a whole request, and return the answer. A request is sent again if an idle connection was just closed.

        Raises:
            TimeoutError: there is no whole answer in time.
            NoPlaceError: there was no connection for it in time.
            OSError: the server can't be reached, or ended the connection.
            UnusableAnswerError: the answer can't be used.
        """
        waits = True
        try:
            async with asyncio.timeout(seconds), self._places:
                waits = False
                return await self._ask(request, most_bytes)
        except TimeoutError:
            if waits:
                raise NoPlaceError from None
            raise

    async def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().abort()
        # Transports end in the loop's next turn.
        await asyncio.sleep(0)

    async def _ask(self, request: bytes, most_bytes: int) -> Answer:
        loop = asyncio.get_running_loop()
        while (idle := self._taken()) is not None:
            asked = _Asked(loop.create_future(), most_bytes)
            try:
                return await self._on(idle, request, asked)
            except ConnectionError:
                if asked.begun:
                    raise
        _, opened = await self._connect(_Connection)
        return await self._on(cast("_Connection", opened), request, _Asked(loop.create_future(), most_bytes))

    async def _on(self, connection: _Connection, request: bytes, asked: _Asked) -> Answer:
        try:
            answer = await connection.ask(request, asked)
        except asyncio.CancelledError:
            # The answer may have come in the same turn: then the connection would stay open without a use.
            connection.abort()
            raise
        if connection.usable:
            self._idle.append(connection)
        return answer

    def _taken(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None
