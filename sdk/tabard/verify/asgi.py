"""ASGI middleware: only requests with a credential for exactly their call reach the application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from tabard.verify import _edge
from tabard.verify._asgi_routes import AsgiRoutes, path_below_mount, raw_path
from tabard.verify._own_routes import OWN_ROUTES
from tabard.verify.calls import NO_CREDENTIAL, Found, HttpCalls
from tabard.verify.errors import Rejected
from tabard.verify.model import VerifiedCredential
from tabard.verify.request import Request
from tabard.verify.verifier import Verifier

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class TabardMiddleware:
    """Verifies every HTTP request and hands over what the credential says in ``scope["tabard"]``.

    A request that no route of ``calls`` names is refused. The body is read, up to the limit, after the credential was
    authenticated; the application receives it unchanged. WebSocket connections are refused: their calls come after the
    handshake and couldn't be checked.

    Args:
        app: the application.
        verifier: decides which credentials are accepted.
        calls: for each method and route a function that says which tool call a request makes, or ``NO_CREDENTIAL``.
        max_body_bytes: longest body.
        headers: headers that may carry the credential: ``authorization``, ``txn-token`` or both.
        routes: the application of Starlette or FastAPI with whose routes each request is compared, if it isn't found behind
            ``app``; ``None`` if the application has another framework, so that requests aren't compared.
        optional: whether requests and WebSocket connections without a credential reach the application, without
            ``scope["tabard"]``. It must then check by itself who sends them.

    Raises:
        ValueError: a route, an extractor or a header's name is malformed, or the application's routes aren't found.
    """

    def __init__(  # noqa: PLR0913  # what may differ between backends
        self,
        app: Application,
        verifier: Verifier,
        calls: HttpCalls,
        *,
        max_body_bytes: int = _edge.DEFAULT_MAX_BODY_BYTES,
        headers: Collection[str] = _edge.HEADERS,
        routes: object = OWN_ROUTES,
        optional: bool = False,
    ) -> None:
        self.app = app
        self._routes = AsgiRoutes(app, routes)
        self._guard = _edge.HttpGuard(verifier, calls, max_body_bytes, headers, optional=optional)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        # Only the middleware may set this.
        scope = {name: value for name, value in scope.items() if name != "tabard"}
        headers = header_texts(scope)
        if self._guard.is_left_to_application(headers):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, headers, receive, send)
        else:
            await send({"type": f"{scope['type']}.close", "code": 1008})

    async def _serve(
        self, scope: Scope, headers: list[tuple[str, str]], receive: Receive, send: Send
    ) -> None:
        try:
            seen = self._routes.as_seen(scope)
            found = self._guard.find(seen["method"], path_below_mount(seen), raw_path(seen), headers)
            self._routes.require_same(seen, found.template)
            if found.operation is not NO_CREDENTIAL:
                admitted = await self._admit(found, seen, headers, receive)
                if admitted is None:
                    return
                body, credential = admitted
                receive = replay(body, receive)
                if credential is not None:
                    scope["tabard"] = credential
        except Rejected as rejected:
            _edge.log_rejected(rejected)
            await _respond(rejected, self._guard.realm, send)
            return
        await self.app(scope, receive, send)

    async def _admit(
        self, found: Found, scope: Scope, headers: list[tuple[str, str]], receive: Receive
    ) -> tuple[bytes, VerifiedCredential | None] | None:
        """Return body and credential of a request, ``None`` if the client has disconnected."""
        authenticated = await asyncio.to_thread(self._guard.authenticate, found, headers)
        body = await read_body(headers, receive, self._guard.body_limit(found, authenticated))
        if body is None:
            return None
        request = Request(
            scope["method"],
            path_below_mount(scope),
            path_params=found.values,
            query_string=scope.get("query_string", b"").decode("latin-1"),
            headers=headers,
            body=body,
        )
        return body, await asyncio.to_thread(self._guard.authorize, found, authenticated, request)


def header_texts(scope: Scope) -> list[tuple[str, str]]:
    """Return the headers of a connection, with names in lower case."""
    return [
        (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope.get("headers", ())
    ]


async def read_body(headers: list[tuple[str, str]], receive: Receive, limit: int) -> bytes | None:
    """Return the body, ``None`` if the client has disconnected."""
    announced = [value for name, value in headers if name == "content-length"]
    if any(value.isdigit() and int(value[:20]) > limit for value in announced):
        raise Rejected("body_too_large")
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise Rejected("body_too_large")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a function that hands over a body that was read, and then what comes after it."""
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
