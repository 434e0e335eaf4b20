"""Finds the credential in headers and calls the extractor; the middlewares share it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tabard.verify.errors import Rejected
from tabard.verify.model import Call, Extract, Request
from tabard.verify.verifier import MAX_TOKEN_CHARS

DEFAULT_MAX_BODY_BYTES = 1 << 20
HEADERS = ("authorization", "txn-token")
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750 section 2.1

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


def extract_call(extract: Extract, request: Request) -> Call:
    """Return the tool call that a request makes.

    Raises:
        Rejected: the extractor raised an exception, or returned no call.
    """
    return as_call(lambda: extract(request))


def as_call(ask: Callable[[], Any]) -> Call:
    """Return the result of an extractor as a call.

    Raises:
        Rejected: it raised an exception, or returned something else.
    """
    try:
        call = Call(*ask())
    except Rejected:
        raise
    except Exception as error:
        logger.exception("the extractor failed")
        raise Rejected("call_unreadable", f"the extractor raised {type(error).__name__}") from error
    if (
        not isinstance(call.tool, str)
        or not isinstance(call.arguments, Mapping)
        or not isinstance(call.server, str)
    ):
        logger.error("the extractor returned something else than tool, arguments and server")
        raise Rejected("call_unreadable", "the extractor returned no call")
    return call


def log_rejected(rejected: Rejected) -> None:
    """Log why a request was rejected."""
    level = logging.WARNING if rejected.status >= 500 else logging.INFO  # noqa: PLR2004  # server's fault
    logger.log(level, "rejected: %s", rejected, extra={"code": rejected.code})
