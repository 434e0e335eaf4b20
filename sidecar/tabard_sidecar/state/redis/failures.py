"""Explains the failures of a Redis server and how to fix them."""

from __future__ import annotations

from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from tabard_sidecar.state.redis.options import RedisOptions

_BY_TYPE: tuple[tuple[type[RedisError], str, str], ...] = (
    (
        AuthenticationError,
        "it refused the credentials",
        "check state.redis.username and state.redis.password_file",
    ),
    (NoPermissionError, "its ACL refused", "grant what docs/guarantees.md lists"),
    (OutOfMemoryError, "it is full", "raise maxmemory or run `tabard state compact`"),
    (ReadOnlyError, "it is a read-only replica", "point state.url at the primary"),
)


def explain(error: Exception, options: RedisOptions) -> str:
    """Return what went wrong and what to do. The text never holds a secret."""
    if isinstance(error, TimeoutError | RedisTimeoutError):
        return f"no answer within {options.timeout_seconds:g} s; check the server and the network"
    # The error for an unknown command repeats its arguments, which may be a password.
    text = str(error).partition(", with args beginning with")[0] or type(error).__name__
    if text.startswith("TABARDCLOCK"):
        return f"its clock and this machine's are {text.split()[1]} s apart; set both clocks"
    for kind, what, remedy in _BY_TYPE:
        if isinstance(error, kind):
            return f"{what} ({text}); {remedy}"
    return f"{text}; check that the server runs and state.url is right"
