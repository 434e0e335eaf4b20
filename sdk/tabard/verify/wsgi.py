"""WSGI middleware: only requests with a credential for exactly their call reach the application."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus
from typing import Any

from tabard.verify import _edge
from tabard.verify.errors import Rejected
from tabard.verify.model import Extract, Request, VerifiedCredential
from tabard.verify.verifier import Verifier

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class TabardMiddleware:
    """Verifies every request and hands over what the credential says in ``environ["tabard.verified"]``.

    The body is read, up to the limit, after the credential was authenticated; the application can read it again.

    Args:
        app: the application.
        verifier: decides which credentials are accepted.
        extract: says which tool call a request makes.
        public_paths: exact paths that need no credential, such as a health check's.
        max_body_bytes: longest body.
        headers: headers that may carry the credential: ``authorization``, ``txn-token`` or both.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # as for ASGI
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

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request."""
        # Only the middleware may set this.
        environ.pop("tabard.verified", None)
        if environ.get("PATH_INFO", "") in self._public_paths:
            return self._app(environ, start_response)
        try:
            environ["tabard.verified"] = self._verify(environ)
        except Rejected as rejected:
            _edge.log_rejected(rejected)
            return _respond(rejected, self._verifier.audience, start_response)
        return self._app(environ, start_response)

    def _verify(self, environ: Environ) -> VerifiedCredential:
        headers = _headers(environ)
        authenticated = self._verifier.authenticate(_edge.find_token(headers.items(), self._headers))
        body = self._read(environ)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        request = Request(
            method=environ["REQUEST_METHOD"],
            path=_text(environ.get("PATH_INFO", "")),
            query_string=environ.get("QUERY_STRING", ""),
            headers=headers,
            body=body,
        )
        return self._verifier.authorize(authenticated, _edge.extract_call(self._extract, request))

    def _read(self, environ: Environ) -> bytes:
        announced = environ.get("CONTENT_LENGTH") or ""
        if announced:
            if not announced.isascii() or not announced.isdigit():
                raise Rejected("length_required", "Content-Length is no number")
            if len(announced) > 20 or int(announced) > self._max_body_bytes:  # noqa: PLR2004  # digits of 2^64
                raise Rejected("body_too_large")
            return _read_exactly(environ["wsgi.input"], int(announced))
        if environ.get("wsgi.input_terminated"):
            body = _read_exactly(environ["wsgi.input"], self._max_body_bytes + 1)
            if len(body) > self._max_body_bytes:
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


def _headers(environ: Environ) -> dict[str, str]:
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    return headers


def _text(value: str) -> str:
    """Return the text of a WSGI string, which carries bytes as Latin-1 (PEP 3333)."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise Rejected("call_unreadable", "the path isn't UTF-8") from None


def _respond(rejected: Rejected, realm: str, start_response: StartResponse) -> list[bytes]:
    body = rejected.body()
    status = HTTPStatus(rejected.status)
    headers = [*rejected.headers(realm), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
