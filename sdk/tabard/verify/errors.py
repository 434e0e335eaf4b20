"""The error for rejected requests, and the HTTP response that it becomes (RFC 6750 section 3)."""

from __future__ import annotations

import json
from typing import Literal

from tabard._lean import dataclass


@dataclass(frozen=True, slots=True)
class _Row:
    status: int
    error: str
    text: str


_INVALID = "invalid_token"
_SCOPE = "insufficient_scope"
_REQUEST = "invalid_request"
_SERVER = "temporarily_unavailable"

RejectionCode = Literal[
    "credential_missing",
    "credential_ambiguous",
    "credential_malformed",
    "credential_type",
    "credential_algorithm",
    "credential_unknown_key",
    "credential_signature",
    "credential_claims",
    "credential_issuer",
    "credential_audience",
    "credential_expired",
    "credential_not_yet_valid",
    "credential_caveat",
    "credential_inactive",
    "credential_used",
    "operation_unknown",
    "tool_mismatch",
    "arguments_mismatch",
    "path_ambiguous",
    "call_unreadable",
    "body_too_large",
    "length_required",
    "keys_unavailable",
    "replay_unavailable",
    "introspection_unavailable",
]
"""A code with which a backend turns a request away."""

CODES: dict[RejectionCode, _Row] = {
    "credential_missing": _Row(401, "", "A credential for this audience is required"),
    "credential_ambiguous": _Row(400, _REQUEST, "Exactly one credential must be sent"),
    "credential_malformed": _Row(401, _INVALID, "The credential is malformed"),
    "credential_type": _Row(401, _INVALID, "The token isn't a Tabard credential"),
    "credential_algorithm": _Row(401, _INVALID, "The credential's algorithm isn't the one of its key"),
    "credential_unknown_key": _Row(401, _INVALID, "The credential's key isn't known"),
    "credential_signature": _Row(401, _INVALID, "The credential's signature doesn't verify"),
    "credential_claims": _Row(401, _INVALID, "The credential lacks a claim"),
    "credential_issuer": _Row(401, _INVALID, "The credential is another issuer's"),
    "credential_audience": _Row(401, _INVALID, "The credential is for another audience"),
    "credential_expired": _Row(401, _INVALID, "The credential has expired"),
    "credential_not_yet_valid": _Row(401, _INVALID, "The credential isn't valid yet"),
    "credential_caveat": _Row(401, _INVALID, "The credential holds a caveat that isn't met"),
    "credential_inactive": _Row(401, _INVALID, "The credential isn't active any more"),
    "credential_used": _Row(401, _INVALID, "The credential has been used already"),
    "operation_unknown": _Row(403, _SCOPE, "No credential opens this operation"),
    "tool_mismatch": _Row(403, _SCOPE, "The credential is for another tool"),
    "arguments_mismatch": _Row(403, _SCOPE, "The credential is for other arguments"),
    "path_ambiguous": _Row(400, _REQUEST, "The path can be read in more than one way"),
    "call_unreadable": _Row(400, _REQUEST, "The request can't be read as a tool call"),
    "body_too_large": _Row(413, _REQUEST, "The request's body is too large"),
    "length_required": _Row(411, _REQUEST, "The request's body needs a Content-Length"),
    "keys_unavailable": _Row(503, _SERVER, "The issuer's keys aren't available"),
    "replay_unavailable": _Row(503, _SERVER, "The check for earlier use isn't available"),
    "introspection_unavailable": _Row(503, _SERVER, "Introspection isn't available"),
}
"""Every code with HTTP status, RFC 6750 error and the text that the caller gets."""


class Rejected(Exception):
    """A request isn't acceptable.

    Attributes:
        code: stable code, a key of :data:`CODES`.
        detail: the exact cause, for this backend's own log; the caller doesn't get it. Holds no secret.
    """

    def __init__(self, code: RejectionCode, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.detail or self.text}"

    @property
    def status(self) -> int:
        """HTTP status."""
        return CODES[self.code].status

    @property
    def text(self) -> str:
        """The message for the caller."""
        return CODES[self.code].text

    def headers(self, realm: str) -> list[tuple[str, str]]:
        """Return the headers of the response (RFC 6750 section 3)."""
        row = CODES[self.code]
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        if row.error in {"", _INVALID, _SCOPE}:
            parts = [f'Bearer realm="{_quotable(realm)}"']
            if row.error:
                parts += [f'error="{row.error}"', f'error_description="{row.text}"']
            headers.append(("WWW-Authenticate", ", ".join(parts)))
        return headers

    def body(self) -> bytes:
        """Return the body of the response: ``error``, ``code`` and ``message``."""
        row = CODES[self.code]
        document = {"error": row.error or _INVALID, "code": self.code, "message": row.text}
        return json.dumps(document).encode()


def _quotable(text: str) -> str:
    return "".join(char for char in text if " " <= char <= "~" and char not in '"\\')
