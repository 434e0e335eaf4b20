"""A decorator for Starlette endpoints: the endpoint runs only with a credential for exactly its call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import wraps
from inspect import isawaitable, iscoroutinefunction
from typing import Any, cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from tabard.verify import _edge, _route
from tabard.verify._starlette_route import verify
from tabard.verify.calls import CredentialOptional, Extract
from tabard.verify.errors import Rejected
from tabard.verify.model import VerifiedCredential
from tabard.verify.verifier import Verifier

Endpoint = Callable[[Request], Any]


def tabard_credential(  # what may differ between routes
    verifier: Verifier,
    extract: Extract | CredentialOptional,
    *,
    optional: bool = False,
    max_body_bytes: int = _edge.DEFAULT_MAX_BODY_BYTES,
    headers: Collection[str] = _edge.HEADERS,
) -> Callable[[Endpoint], Callable[[Request], Awaitable[Response]]]:
    """Return a decorator for an endpoint that takes a request. It finds the credential in :func:`verified`.

    Starlette chooses the route, so the extractor sees the route's own parameters. Only decorated endpoints are checked;
    ``TabardMiddleware`` refuses what isn't named. A bounded body is read before the endpoint runs.

    Args:
        verifier: decides which credentials are accepted.
        extract: says which tool call a request makes.
        optional: whether requests without a credential reach the endpoint, which must then check who sends them.
        max_body_bytes: longest body.
        headers: headers that may carry the credential: ``authorization``, ``txn-token`` or both.

    Raises:
        ValueError: the extractor or a header's name is malformed.
        TypeError: when it decorates what isn't a function of a request, such as a class.
    """
    guard = _route.RouteGuard(
        verifier, extract, optional=optional, max_body_bytes=max_body_bytes, headers=headers
    )

    def decorate(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        if isinstance(endpoint, type) or not callable(endpoint):
            raise TypeError(
                "decorate a function that takes a request; of a class of endpoints, use TabardMiddleware"
            )

        is_coroutine = iscoroutinefunction(endpoint)  # which costs as much as a small endpoint

        @wraps(endpoint)
        async def guarded(request: Request) -> Response:
            request.scope.pop("tabard", None)
            try:
                credential = await verify(guard, request)
            except Rejected as rejected:
                _edge.log_rejected(rejected)
                return Response(rejected.body(), rejected.status, dict(rejected.headers(guard.http.realm)))
            if credential is not None:
                request.scope["tabard"] = credential
            if is_coroutine:
                return cast("Response", await endpoint(request))
            answer: Any = await run_in_threadpool(endpoint, request)
            return cast("Response", await answer if isawaitable(answer) else answer)

        return guarded

    return decorate


def verified(request: Request) -> VerifiedCredential | None:
    """Return the credential of a request, ``None`` if it has none."""
    credential: VerifiedCredential | None = request.scope.get("tabard")
    return credential
