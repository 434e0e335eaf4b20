"""Finds the operation and the credential of a request and calls the extractor; middlewares and interceptors share it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tabard.verify.calls import (
    NO_CREDENTIAL,
    CredentialOptional,
    Found,
    HttpCalls,
    Operation,
    Routes,
)
from tabard.verify.errors import Rejected
from tabard.verify.model import Call, VerifiedCredential
from tabard.verify.request import Request, dashed, names_other_charset
from tabard.verify.verifier import MAX_TOKEN_CHARS, Authenticated, Verifier

DEFAULT_MAX_BODY_BYTES = 1 << 20
HEADERS = ("authorization", "txn-token")
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750 section 2.1

_SELECT_ANOTHER = frozenset(
    {"x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"}
)
"""Headers by which some frameworks and proxies replace the method or the path."""

logger = logging.getLogger("tabard.verify")


def find_token(headers: Iterable[tuple[str, str]], accepted: Iterable[str] = HEADERS) -> str:
    """Return the one credential among headers with lower-case names.

    ``Authorization: Bearer`` (RFC 6750 section 2.1) and ``Txn-Token`` carry one.

    Raises:
        Rejected: there is none, more than one, or it is malformed.
    """
    names = tuple(accepted)
    found = [(name, value) for name, value in headers if name in names]
    if not found:
        raise Rejected("credential_missing")
    if len(found) > 1:
        raise Rejected("credential_ambiguous")
    name, value = found[0]
    token = value.strip(" ")
    if name == "authorization":
        scheme, _, rest = token.partition(" ")
        if scheme.lower() != "bearer":
            raise Rejected("credential_missing", "another scheme than Bearer")
        token = rest.strip(" ")
    if len(token) > MAX_TOKEN_CHARS or not _TOKEN.fullmatch(token):
        raise Rejected("credential_malformed", "not a token (RFC 6750 section 2.1)")
    return token


def check_headers(accepted: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the headers to search, in lower case.

    Raises:
        ValueError: one of them never carries a credential.
    """
    names = tuple(name.lower() for name in accepted)
    if not names or not set(names) <= set(HEADERS):
        message = f"headers are among {', '.join(HEADERS)}"
        raise ValueError(message)
    return names


def read_call(operation: Operation, request: Any, authenticated: Authenticated | None) -> Call | None:  # noqa: ANN401  # HTTP's or gRPC's
    """Return the tool call that a request makes, ``None`` if it needs no credential.

    A stranger's request, without a credential, leaves no stack trace in the log.

    Raises:
        Rejected: the extractor raised an exception, returned no call, or left a part of the request out.
    """
    optional = isinstance(operation, CredentialOptional)
    extract = operation.extract if isinstance(operation, CredentialOptional) else operation
    try:
        answer = extract(request)  # type: ignore[operator]
        if answer is NO_CREDENTIAL and optional:
            return None
        call = Call(*answer)
    except Rejected:
        raise
    except Exception as error:
        logger.log(
            logging.DEBUG if authenticated is None else logging.ERROR, "the extractor failed", exc_info=True
        )
        raise Rejected("call_unreadable", f"the extractor raised {type(error).__name__}") from error
    if (
        not isinstance(call.tool, str)
        or not isinstance(call.arguments, Mapping)
        or not isinstance(call.server, str)
    ):
        logger.error("the extractor returned something else than tool, arguments and server")
        raise Rejected("call_unreadable", "the extractor returned no call")
    return call


class HttpGuard:
    """The checks that both HTTP middlewares make, in the order of its methods.

    Args:
        verifier: decides which credentials are accepted.
        calls: extractors by method and route.
        max_body_bytes: longest body of a request with a credential.
        headers: headers that may carry the credential.
        optional: whether requests without a credential reach the application, which then has to check them itself.

    Raises:
        ValueError: a route, an extractor or a header's name is malformed.
    """

    def __init__(
        self,
        verifier: Verifier,
        calls: HttpCalls,
        max_body_bytes: int,
        headers: Iterable[str],
        *,
        optional: bool = False,
    ) -> None:
        self._optional = optional
        self._verifier = verifier
        self._routes = Routes(calls)
        self._max_body_bytes = max_body_bytes
        self._headers = check_headers(headers)
        self.realm = verifier.audience

    def find(self, method: str, path: str, raw: bytes | None, headers: Iterable[tuple[str, str]]) -> Found:
        """Return the operation that a request selects, before anything is known about its credential.

        Raises:
            Rejected: none, or the application might select another.
        """
        found = self._routes.find(method, path, raw)
        require_plain_headers(headers)
        return found

    def is_left_to_application(self, headers: Iterable[tuple[str, str]]) -> bool:
        """Tell whether a request has no credential and may go to the application so."""
        if not self._optional:
            return False
        try:
            find_token(headers, self._headers)
        except Rejected as rejected:
            return rejected.code == "credential_missing"
        return False

    def authenticate(self, found: Found, headers: Iterable[tuple[str, str]]) -> Authenticated | None:
        """Return the credential of a request; ``None`` if it has none and its operation may do without.

        Raises:
            Rejected: it isn't acceptable.
        """
        try:
            token = find_token(headers, self._headers)
        except Rejected as rejected:
            if rejected.code == "credential_missing" and isinstance(found.operation, CredentialOptional):
                return None
            raise
        return self._verifier.authenticate(token)

    def body_limit(self, found: Found, authenticated: Authenticated | None) -> int:
        """Return how many bytes the body may have."""
        if authenticated is None and isinstance(found.operation, CredentialOptional):
            return min(found.operation.max_body_bytes, self._max_body_bytes)
        return self._max_body_bytes

    def authorize(
        self, found: Found, authenticated: Authenticated | None, request: Request
    ) -> VerifiedCredential | None:
        """Return the credential for exactly this request; ``None`` if the request needs none.

        Raises:
            Rejected: the credential is for another call.
        """
        call = read_call(found.operation, request, authenticated)
        request.require_all_read()
        return accept(self._verifier, authenticated, call)


def require_plain_headers(headers: Iterable[tuple[str, str]]) -> None:
    """Check that no header changes what is called, or how it is read.

    Raises:
        Rejected: one does.
    """
    for spelled, value in headers:
        name = dashed(spelled)
        if name in _SELECT_ANOTHER:
            raise Rejected("operation_unknown", f"the header {name} asks for another operation")
        if name == "content-encoding" and value.strip().lower() not in {"", "identity"}:
            raise Rejected("call_unreadable", "the body is compressed")
        if name == "content-type" and names_other_charset(value):
            raise Rejected("call_unreadable", "Content-Type names another encoding than UTF-8")


def accept(
    verifier: Verifier, authenticated: Authenticated | None, call: Call | None
) -> VerifiedCredential | None:
    """Compare a credential with the call that the extractor has read.

    Raises:
        Rejected: there is none, or it is for another call.
    """
    if call is None:
        return None
    if authenticated is None:
        raise Rejected("credential_missing")
    return verifier.authorize(authenticated, call)


def log_rejected(rejected: Rejected) -> None:
    """Log why a request was rejected."""
    level = logging.WARNING if rejected.status >= 500 else logging.INFO  # noqa: PLR2004  # server's fault
    logger.log(level, "rejected: %s", rejected, extra={"code": rejected.code})
