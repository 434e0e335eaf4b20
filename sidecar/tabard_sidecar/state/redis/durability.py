"""Tells why a server may lose writes that it has acknowledged: its settings for eviction and for its log on disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from redis.exceptions import NoPermissionError

from tabard_sidecar.errors import NoDecision

_DURABLE = {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "always"}


async def weaknesses(command: Callable[..., Awaitable[Any]]) -> list[str]:
    """Return why a server may lose acknowledged writes, each reason without a full stop.

    Args:
        command: sends a command to it and returns the answer.

    Raises:
        NoDecision: it can't be reached.
    """
    try:
        found = await command("CONFIG GET", *_DURABLE)
    except NoDecision as error:
        if isinstance(error.__cause__, NoPermissionError):
            return ["its configuration can't be read, since the ACL doesn't grant CONFIG GET"]
        raise
    settings = {_text(name): _text(value) for name, value in found.items()}
    return [
        f"{name} is {settings.get(name, 'unknown')} and has to be {wanted}"
        for name, wanted in _DURABLE.items()
        if settings.get(name) != wanted
    ]


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
