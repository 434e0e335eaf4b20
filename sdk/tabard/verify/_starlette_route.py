"""Verifies the request of one Starlette route, for the decorator of Starlette and the dependency of FastAPI."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from tabard.verify import _route
from tabard.verify._asgi_routes import path_below_mount, raw_path
from tabard.verify.asgi import header_texts
from tabard.verify.model import VerifiedCredential
from tabard.verify.request import Request as TabardRequest


async def verify(guard: _route.RouteGuard, request: Request) -> VerifiedCredential | None:
    """Return the credential of a request; ``None`` if it has none and need not have one.

    Raises:
        Rejected: the request isn't acceptable.
    """
    headers = header_texts(request.scope)
    if guard.http.is_left_to_application(headers):
        return None
    path = path_below_mount(request.scope)
    found = guard.found(request.path_params, path, raw_path(request.scope), headers)
    authenticated = await asyncio.to_thread(guard.http.authenticate, found, headers)
    length = _route.announced_length(headers, guard.http.body_limit(found, authenticated))
    _route.require_whole(body := await _body(request), length)
    seen = TabardRequest(
        request.method,
        path,
        path_params=found.values,
        query_string=request.scope.get("query_string", b"").decode("latin-1"),
        headers=headers,
        body=body,
    )
    return await asyncio.to_thread(guard.http.authorize, found, authenticated, seen)


async def _body(request: Request) -> bytes:
    """Return the body, empty if it was read before, for example as a form."""
    try:
        return await request.body()
    except (RuntimeError, ClientDisconnect):
        return b""
