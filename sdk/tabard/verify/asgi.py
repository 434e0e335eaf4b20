"""ASGI middleware: only requests with a credential for exactly their call reach the application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from tabard.verify import _edge
from tabard.verify.errors import Rejected
from tabard.verify.model import Extract, Request, VerifiedCredential
from tabard.verify.verifier import Authenticated, Verifier

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class TabardMiddleware:
    """Verifies every HTTP request and hands over what the credential says in ``scope["tabard"]``.

    The body is read, up to the limit, after the credential was authenticated; the application receives it unchanged.
    WebSocket connections are refused: their calls come after the handshake and couldn't be checked.

    Args:
        app: the application.
        verifier: decides which credentials are accepted.
        extract: says which tool call a request makes.
        public_paths: exact paths that need no credential, such as a health check's.
        max_body_bytes: longest body.
        headers: headers that may carry the credential: ``authorization``, ``txn-token`` or both.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # frameworks pass all by name
        self,
        app: Application,
        verifier: Verifier,
        extract: Extract,
        public_paths: Collection[str] = (),
        max_body_bytes: int = _edge.DEFAULT_MAX_BODY_BYTES,
        headers: Collection[str] = _edge.HEADERS,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._extract = extract
        self._public_paths = frozenset(public_paths)
        self._max_body_bytes = max_body_bytes
        self._headers = _edge.check_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["path"] in self._public_paths:
            await self._app(scope, receive, send)
        else:
            await self._guard(scope, receive, send)

    async def _guard(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            headers = [
                (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]
            ]
            token = _edge.find_token(headers, self._headers)
            authenticated = await asyncio.to_thread(self._verifier.authenticate, token)
            body = await self._read(headers, receive)
            if body is None:
                return
            request = Request(
                method=scope["method"],
                path=scope["path"],
                query_string=scope.get("query_string", b"").decode("latin-1"),
                headers=dict(headers),
                body=body,
            )
            credential = await asyncio.to_thread(self._authorize, authenticated, request)
        except Rejected as rejected:
            _edge.log_rejected(rejected)
            await _respond(rejected, self._verifier.audience, send)
            return
        await self._app({**scope, "tabard": credential}, _replay(body, receive), send)

    def _authorize(self, authenticated: Authenticated, request: Request) -> VerifiedCredential:
        return self._verifier.authorize(authenticated, _edge.extract_call(self._extract, request))

    async def _read(self, headers: list[tuple[str, str]], receive: Receive) -> bytes | None:
        """Return the body, ``None`` if the client has disconnected."""
        announced = [value for name, value in headers if name == "content-length"]
        if any(value.isdigit() and int(value[:20]) > self._max_body_bytes for value in announced):
            raise Rejected("body_too_large")
        chunks, size = [], 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._max_body_bytes:
                raise Rejected("body_too_large")
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed


async def _respond(rejected: Rejected, realm: str, send: Send) -> None:
    body = rejected.body()
    headers = [*rejected.headers(realm), ("Content-Length", str(len(body)))]
    await send(
        {
            "type": "http.response.start",
            "status": rejected.status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        }
    )
    await send({"type": "http.response.body", "body": body})
