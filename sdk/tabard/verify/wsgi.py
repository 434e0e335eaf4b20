"""WSGI middleware: only requests with a credential for exactly their call reach the application."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus
from typing import Any

from tabard.verify import _edge
from tabard.verify._own_routes import OWN_ROUTES
from tabard.verify._wsgi_routes import WsgiRoutes
from tabard.verify.calls import NO_CREDENTIAL, Found, HttpCalls
from tabard.verify.errors import Rejected
from tabard.verify.model import VerifiedCredential
from tabard.verify.request import Request
from tabard.verify.verifier import Verifier

_ORIGIN = re.compile(r"\A[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class TabardMiddleware:
    """Verifies every request and hands over what the credential says in ``environ["tabard.verified"]``.

    A request that no route of ``calls`` names is refused. The body is read, up to the limit, after the credential was
    authenticated; the application can read it again.

    Args:
        app: the application.
        verifier: decides which credentials are accepted.
        calls: for each method and route a function that says which tool call a request makes, or ``NO_CREDENTIAL``.
        max_body_bytes: longest body.
        headers: headers that may carry the credential: ``authorization``, ``txn-token`` or both.
        routes: the Flask application with whose routes each request is compared, if it isn't found behind ``app``; ``None`` if
            the application has another framework, so that requests aren't compared.
        optional: whether requests without a credential reach the application, without
            ``environ["tabard.verified"]``. It must then check by itself who sends them.

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
        self._routes = WsgiRoutes(app, routes)
        self._guard = _edge.HttpGuard(verifier, calls, max_body_bytes, headers, optional=optional)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request."""
        # Only the middleware may set this.
        environ.pop("tabard.verified", None)
        headers = header_texts(environ)
        if self._guard.is_left_to_application(headers):
            return self.app(environ, start_response)
        try:
            path = path_text(environ.get("PATH_INFO", ""))
            found = self._guard.find(environ["REQUEST_METHOD"], path, raw_path(environ), headers)
            self._routes.require_same(environ, found.template)
            if found.operation is not NO_CREDENTIAL:
                credential = self._verify(found, path, headers, environ)
                if credential is not None:
                    environ["tabard.verified"] = credential
        except Rejected as rejected:
            _edge.log_rejected(rejected)
            return _respond(rejected, self._guard.realm, start_response)
        return self.app(environ, start_response)

    def _verify(
        self, found: Found, path: str, headers: list[tuple[str, str]], environ: Environ
    ) -> VerifiedCredential | None:
        authenticated = self._guard.authenticate(found, headers)
        body = _read(environ, self._guard.body_limit(found, authenticated))
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        request = Request(
            environ["REQUEST_METHOD"],
            path,
            path_params=found.values,
            query_string=environ.get("QUERY_STRING", ""),
            headers=headers,
            body=body,
        )
        return self._guard.authorize(found, authenticated, request)


def _read(environ: Environ, limit: int) -> bytes:
    announced = environ.get("CONTENT_LENGTH") or ""
    if announced:
        if not announced.isascii() or not announced.isdigit():
            raise Rejected("length_required", "Content-Length is no number")
        if len(announced) > 20 or int(announced) > limit:  # noqa: PLR2004  # digits of 2^64
            raise Rejected("body_too_large")
        return _read_exactly(environ["wsgi.input"], int(announced))
    if environ.get("wsgi.input_terminated"):
        body = _read_exactly(environ["wsgi.input"], limit + 1)
        if len(body) > limit:
            raise Rejected("body_too_large")
        return body
    if environ.get("HTTP_TRANSFER_ENCODING"):
        raise Rejected("length_required")
    return b""


def _read_exactly(stream: Any, size: int) -> bytes:  # noqa: ANN401  # PEP 3333 names no type
    chunks = []
    while size > 0:
        chunk: bytes = stream.read(size)
        if not chunk:
            break
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def header_texts(environ: Environ) -> list[tuple[str, str]]:
    """Return the headers; the server has joined those that were repeated, for the application as well."""
    headers = [
        (name[5:].replace("_", "-").lower(), value)
        for name, value in environ.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    ]
    names = ("CONTENT_TYPE", "CONTENT_LENGTH")
    headers += [(name.replace("_", "-").lower(), environ[name]) for name in names if environ.get(name)]
    return headers


def raw_path(environ: Environ) -> bytes | None:
    """Return the path as it was sent, ``None`` if the server doesn't tell it (PEP 3333 has no name for it).

    Raises:
        Rejected: the request's target isn't a path or an absolute URL (RFC 9112 section 3.2).
    """
    for name in ("REQUEST_URI", "RAW_URI"):
        target = environ.get(name)
        if isinstance(target, str) and target:
            path = _ORIGIN.sub("", target, count=1).partition("?")[0]
            if not path.startswith("/"):
                raise Rejected("path_ambiguous", "the target of the request has no path")
            return path.encode("latin-1", "replace")
    return None


def path_text(value: str) -> str:
    """Return the text of a WSGI string, which carries bytes as Latin-1 (PEP 3333)."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise Rejected("path_ambiguous", "the path isn't UTF-8") from None


def _respond(rejected: Rejected, realm: str, start_response: StartResponse) -> list[bytes]:
    body = rejected.body()
    status = HTTPStatus(rejected.status)
    headers = [*rejected.headers(realm), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
