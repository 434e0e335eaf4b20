"""A decorator for Flask views: the view runs only with a credential for exactly its call."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

import flask

from tabard.verify import _edge, _route
from tabard.verify.calls import CredentialOptional, Extract
from tabard.verify.errors import Rejected
from tabard.verify.model import VerifiedCredential
from tabard.verify.request import Request
from tabard.verify.verifier import Verifier
from tabard.verify.wsgi import header_texts, path_text, raw_path

View = Callable[..., Any]


def tabard_credential(  # what may differ between routes
    verifier: Verifier,
    extract: Extract | CredentialOptional,
    *,
    optional: bool = False,
    max_body_bytes: int = _edge.DEFAULT_MAX_BODY_BYTES,
    headers: Collection[str] = _edge.HEADERS,
) -> Callable[[View], View]:
    """Return a decorator, to stand below ``@app.route``. The view finds the credential in :func:`verified`.

    Flask chooses the route, so the extractor sees the route's own parameters. Only decorated views are checked;
    ``TabardMiddleware`` refuses what isn't named.

    Args:
        verifier: decides which credentials are accepted.
        extract: says which tool call a request makes.
        optional: whether requests without a credential reach the view, which must then check who sends them.
        max_body_bytes: longest body.
        headers: headers that may carry the credential: ``authorization``, ``txn-token`` or both.

    Raises:
        ValueError: the extractor or a header's name is malformed.
    """
    guard = _route.RouteGuard(
        verifier, extract, optional=optional, max_body_bytes=max_body_bytes, headers=headers
    )

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: object, **parameters: object) -> Any:  # noqa: ANN401  # what the view returns
            flask.request.environ.pop("tabard.verified", None)
            try:
                credential = _verify(guard)
            except Rejected as rejected:
                _edge.log_rejected(rejected)
                return flask.Response(
                    rejected.body(), rejected.status, headers=rejected.headers(guard.http.realm)
                )
            if credential is not None:
                flask.request.environ["tabard.verified"] = credential
            return flask.current_app.ensure_sync(view)(*args, **parameters)

        return guarded

    return decorate


def verified() -> VerifiedCredential | None:
    """Return the credential of the request that is being handled, ``None`` if it has none."""
    credential: VerifiedCredential | None = flask.request.environ.get("tabard.verified")
    return credential


def _verify(guard: _route.RouteGuard) -> VerifiedCredential | None:
    environ = flask.request.environ
    headers = header_texts(environ)
    if guard.http.is_left_to_application(headers):
        return None
    path = path_text(environ.get("PATH_INFO", ""))
    found = guard.found(flask.request.view_args or {}, path, raw_path(environ), headers)
    authenticated = guard.http.authenticate(found, headers)
    length = _route.announced_length(headers, guard.http.body_limit(found, authenticated))
    _route.require_whole(body := flask.request.get_data(), length)
    request = Request(
        flask.request.method,
        path,
        path_params=found.values,
        query_string=environ.get("QUERY_STRING", ""),
        headers=headers,
        body=body,
    )
    return guard.http.authorize(found, authenticated, request)
