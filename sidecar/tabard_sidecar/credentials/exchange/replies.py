"""Reads replies of a token endpoint (RFC 6749, RFC 8693). Each is hostile until it was checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from tabard_sidecar.credentials.exchange import faults
from tabard_sidecar.credentials.exchange.faults import ExchangeFault, invalid, misconfigured, unavailable
from tabard_sidecar.credentials.quoting import quoted
from tabard_sidecar.util.bounded_http import json_object
from tabard_sidecar.util.lean import dataclass

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a token type
"""The type of tokens that are asked for and presented."""

MAX_TOKEN_BYTES = 16 * 1024
_MAX_JSON_BYTES = 64 * 1024
_OK, _REDIRECTS, _REFUSALS, _ERRORS = 200, 300, 400, 500
# It didn't take the request, and may take it later: Request Timeout, Too Early, Too Many Requests.
_BUSY = frozenset({408, 425, 429})
_SHOWN_SECONDS = 1e12
# RFC 6750, section 2.1: what a bearer token may hold.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+={0,8}")
_SCOPES = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*|")
# What RFC 8693, section 2.2.2, and RFC 6749, section 5.2, say of a request for this person, audience and scope.
_DENIED = frozenset({"invalid_target", "invalid_scope", "access_denied", "interaction_required"})
# RFC 8693 gives invalid_request both to a subject token that is invalid and to everything else that is wrong with a
# request. Which it is, only the description tells: "Invalid token" at Keycloak.
_TOKEN_SAID = re.compile(r"\b(?:subject_)?token\b", re.IGNORECASE)
_OTHER_SAID = re.compile(
    r"audience|scope|resource|client|requested_token|actor|exchange|grant|enabled|disabled|allow|permit|support",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A token that was issued.

    Attributes:
        token: the token.
        seconds: its life by the reply; ``None`` if the reply doesn't say.
        scopes: its scopes by the reply; ``None`` if the reply doesn't say.
    """

    token: str = field(repr=False)
    seconds: float | None
    scopes: frozenset[str] | None


def issued_token(reply: Mapping[str, Any]) -> str | None:
    """Return the token that a reply holds, however wrong the rest is, to be revoked; ``None`` if there is none."""
    token = reply.get("access_token")
    usable = isinstance(token, str) and len(token) <= MAX_TOKEN_BYTES and _TOKEN.fullmatch(token) is not None
    return str(token) if usable else None


def read_reply(status: int, content: bytes) -> Mapping[str, Any]:
    """Return the object in the reply of a token endpoint that issued something.

    Raises:
        ExchangeFault: it refused or failed, or the reply isn't acceptable.
    """
    if status == _OK:
        return json_object(content, faults, max_bytes=_MAX_JSON_BYTES)
    if status < _REDIRECTS:
        raise invalid(f"it answered with HTTP status {status}")
    if status < _REFUSALS:
        raise ExchangeFault(
            "exchange_reply_invalid",
            f"it redirects (HTTP status {status}), which isn't followed: name the endpoint itself",
            nothing_done=True,
        )
    code, description = _error(content)
    text = f"HTTP status {status}"
    if code:
        text += f", {quoted(code)}"
    if description:
        text += f": {quoted(description)}"
    if status >= _ERRORS or status in _BUSY:
        raise unavailable(text, nothing_done=status in _BUSY)
    raise _refusal(code, description, text)


def read_revocation(status: int, content: bytes) -> None:
    """Check the reply of a revocation endpoint (RFC 7009, section 2.2).

    Raises:
        ExchangeFault: the token may not be revoked.
    """
    # Keycloak answers 200 with an error for a token that it can't read; one that has ended is no error in RFC 7009.
    if status != _OK or _error(content)[0]:
        raise unavailable(f"it doesn't revoke: HTTP status {status}")


def read_revocation_probe(status: int, content: bytes) -> None:
    """Check the reply of a revocation endpoint to what is no token: it has to say that, or that it has ended.

    Raises:
        ExchangeFault: it wouldn't revoke a token, either.
    """
    code, description = _error(content)
    if status == _OK and not code:
        return
    # Keycloak says this with status 200, others with 400.
    if code == "invalid_token" and status in {_OK, _REFUSALS}:
        return
    said = "".join(f"{mark}{quoted(one)}" for mark, one in ((", ", code), (": ", description)) if one)
    raise unavailable(f"it doesn't revoke: HTTP status {status}{said}")


def exchanged(reply: Mapping[str, Any], *, most_seconds: float) -> Exchanged:
    """Return the token that a reply holds.

    Raises:
        ExchangeFault: it is another kind of token than was asked for, or the reply is malformed.
    """
    token = issued_token(reply)
    if token is None:
        raise invalid("its reply holds no usable access_token")
    if reply.get("issued_token_type") != ACCESS_TOKEN:
        raise invalid("its reply's issued_token_type isn't an access token")
    kind = reply.get("token_type")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise invalid("its reply's token_type isn't Bearer, so the agent couldn't use the token")
    return Exchanged(token, _seconds(reply.get("expires_in"), most_seconds), _scopes(reply))


def scopes_of(value: object) -> frozenset[str] | None:
    """Return the scopes that a string lists; ``None`` if it isn't a list of scopes."""
    if not isinstance(value, str) or _SCOPES.fullmatch(value) is None:
        return None
    return frozenset(value.split())


def _scopes(reply: Mapping[str, Any]) -> frozenset[str] | None:
    if "scope" not in reply:
        return None
    found = scopes_of(reply["scope"])
    if found is None:
        raise invalid("its reply's scope isn't a list of scopes")
    return found


def _seconds(value: object, most: float) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid("its reply's expires_in isn't a number")
    check_life(value, most)
    return float(value)


def check_life(seconds: float, most: float) -> None:
    """Check how long a token lasts.

    Raises:
        ExchangeFault: not at all, or longer than ``most``.
    """
    if 1 <= seconds <= most:
        return
    shown = f"{seconds:.0f} s" if abs(seconds) <= _SHOWN_SECONDS else "longer than anything"
    raise invalid(f"its token lasts {shown}; max_ttl_seconds of the audience is {most:g}")


def _error(content: bytes) -> tuple[str, str]:
    """Return code and description of an error; empty if it isn't in OAuth's form."""
    try:
        reply = json_object(content, faults, max_bytes=_MAX_JSON_BYTES)
    except ExchangeFault:
        return "", ""
    code, description = reply.get("error"), reply.get("error_description")
    if not isinstance(code, str):
        return "", ""
    return code, description if isinstance(description, str) else ""


def _refusal(code: str, description: str, text: str) -> ExchangeFault:
    about_token = _TOKEN_SAID.search(description) is not None and _OTHER_SAID.search(description) is None
    if code == "invalid_grant" or (code == "invalid_request" and about_token):
        return ExchangeFault("subject_token_expired", text, nothing_done=True)
    if code in _DENIED:
        return ExchangeFault("exchange_denied", text, nothing_done=True)
    return misconfigured(text)
