"""Checks claims of verified tokens, in the ways that all kinds of token share (RFC 7519, section 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tabard_sidecar.identity.jose import TokenError, TokenProblem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MAX_IDENTIFIER = 255
_MAX_TIME = 253402300800.0  # the year 10000


def text(claims: Mapping[str, Any], name: str, *, max_bytes: int = MAX_IDENTIFIER) -> str:
    """Return a claim that must be a non-empty string of at most ``max_bytes``, without control characters.

    Raises:
        TokenError: it isn't such a string.
    """
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise TokenError(TokenProblem.CLAIMS, f"claim {name} must be a string that isn't empty")
    if len(value.encode()) > max_bytes:
        raise TokenError(TokenProblem.CLAIMS, f"claim {name} is longer than {max_bytes} bytes")
    if any(ord(character) < 32 or ord(character) == 127 for character in value):  # noqa: PLR2004 - ASCII controls
        raise TokenError(TokenProblem.CLAIMS, f"claim {name} holds control characters")
    return value


def moment(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a claim that, if present, must be a time in seconds since the epoch.

    Raises:
        TokenError: it isn't such a time.
    """
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MAX_TIME:
        raise TokenError(TokenProblem.CLAIMS, f"claim {name} must be a number of seconds since 1970")
    return float(value)


def required_moment(claims: Mapping[str, Any], name: str) -> float:
    """Return a claim that must be a time.

    Raises:
        TokenError: it is absent or no such time.
    """
    value = moment(claims, name)
    if value is None:
        raise TokenError(TokenProblem.CLAIMS, f"claim {name} is missing")
    return value


def check_period(claims: Mapping[str, Any], *, now: float, skew: float) -> float:
    """Check ``exp``, ``nbf`` and ``iat`` against ``now`` and return ``exp``.

    Raises:
        TokenError: expired, from the future, or without ``exp``.
    """
    expires_at = required_moment(claims, "exp")
    if now >= expires_at + skew:
        raise TokenError(TokenProblem.EXPIRED, f"the token expired at {expires_at:.0f}")
    for name in ("nbf", "iat"):
        start = moment(claims, name)
        if start is not None and start > now + skew:
            raise TokenError(
                TokenProblem.NOT_YET_VALID, f"the token's {name}, {start:.0f}, lies in the future"
            )
    return expires_at


def single_audience(claims: Mapping[str, Any], accepted: Collection[str]) -> str:
    """Return the one audience, which must be one of ``accepted``.

    Raises:
        TokenError: there is none, more than one, or a foreign one.
    """
    value = claims.get("aud")
    values = value if isinstance(value, list) else [value]
    if len(values) != 1:
        raise TokenError(
            TokenProblem.AUDIENCE, f"the token has {len(values)} audiences; exactly one is accepted"
        )
    audience = values[0]
    if not isinstance(audience, str) or audience not in accepted:
        raise TokenError(TokenProblem.AUDIENCE, "the token's audience isn't one that is configured")
    return audience


def check_type(actual: str, accepted: Collection[str]) -> None:
    """Check the ``typ`` of a token, both in normal form.

    Raises:
        TokenError: it isn't accepted.
    """
    if actual not in accepted:
        names = ", ".join(repr(name) for name in sorted(accepted))
        raise TokenError(TokenProblem.TYPE, f"the token's typ isn't one of {names}")
