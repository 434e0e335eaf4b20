"""Shared parts of the guards of single routes: the framework has chosen the route, and may have read the body."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tabard.verify import _edge
from tabard.verify.calls import (
    NO_CREDENTIAL,
    CredentialOptional,
    Extract,
    Found,
    check_operation,
    require_plain_path,
)
from tabard.verify.errors import Rejected
from tabard.verify.verifier import Verifier


class RouteGuard:
    """The checks of one route; arguments and errors are those of the public functions that make one."""

    def __init__(
        self,
        verifier: Verifier,
        extract: Extract | CredentialOptional,
        *,
        optional: bool,
        max_body_bytes: int,
        headers: Collection[str],
    ) -> None:
        check_operation("a route's guard", extract)
        if extract is NO_CREDENTIAL:  # type: ignore[comparison-overlap]  # callers without types
            message = "a route that needs no credential needs no guard"
            raise ValueError(message)
        self._operation = extract
        self.http = _edge.HttpGuard(verifier, {}, max_body_bytes, headers, optional=optional)

    def found(
        self,
        values: Mapping[str, object],
        path: str,
        raw: bytes | None,
        headers: list[tuple[str, str]],
    ) -> Found:
        """Return the operation, with the route's parameters as the framework converted them, written as text.

        Raises:
            Rejected: another program might read the request differently.
        """
        texts = {name: str(value) for name, value in values.items()}
        require_plain_path(path, raw)
        _edge.require_plain_headers(headers)
        return Found(self._operation, path, texts)


def announced_length(headers: list[tuple[str, str]], limit: int) -> int:
    """Return the length of a body that the framework reads, before it is read.

    Raises:
        Rejected: it isn't announced, or too long.
    """
    found = [value for name, value in headers if name == "content-length"]
    if any(name == "transfer-encoding" for name, _ in headers) or len(found) > 1:
        raise Rejected("length_required")
    if not found:
        return 0
    if not found[0].isascii() or not found[0].isdigit():
        raise Rejected("length_required", "Content-Length is no number")
    if len(found[0]) > 20 or int(found[0]) > limit:  # noqa: PLR2004  # digits of 2^64
        raise Rejected("body_too_large")
    return int(found[0])


def require_whole(body: bytes, length: int) -> None:
    """Check that a body is the one that was sent.

    Raises:
        Rejected: the application has read it before, for example as a form, or it isn't announced.
    """
    if len(body) != length:
        message = f"{len(body)} bytes of the body are left of {length}; let TabardMiddleware guard forms"
        raise Rejected("call_unreadable", message)
