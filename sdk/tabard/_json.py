"""Encodes arguments as JSON. Values without an exact JSON form are refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tabard.errors import InvalidRequest

MAX_DEPTH = 64
_PLAIN = frozenset({str, int, float, bool, type(None)})  # nearly all values: not worth a call
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))


class Snapshot(dict[str, Any]):
    """A private copy of arguments. Their types have a JSON form; single numbers and strings are still unchecked."""

    __slots__ = ()


def snapshot(value: Any, *, where: str = "argument", depth: int = MAX_DEPTH) -> Any:  # noqa: ANN401  # any JSON value
    """Return a copy that shares nothing mutable with ``value``.

    Raises:
        InvalidRequest: something in it has no exact JSON form, or it is nested too deeply.
    """
    if value is None or isinstance(value, (str, int, float)):
        return value
    if depth == 0:
        raise InvalidRequest("arguments_invalid", f"{where}: nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, (list, tuple)):
        items = [
            item if type(item) in _PLAIN else snapshot(item, where=where, depth=depth - 1) for item in value
        ]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, (dict, Mapping)):
        copied = {}
        for key, item in value.items():
            if not isinstance(key, str):
                text = f"{where}: the key {key!r} is a {type(key).__name__}; JSON only has strings as keys"
                raise InvalidRequest("arguments_invalid", text)
            copied[key] = item if type(item) in _PLAIN else snapshot(item, where=where, depth=depth - 1)
        return copied
    message = f"{where}: a {type(value).__name__} has no exact JSON form; pass plain values"
    raise InvalidRequest("arguments_invalid", message)


def encode(value: Mapping[str, Any]) -> bytes:
    """Return ``value`` as JSON in UTF-8.

    Raises:
        InvalidRequest: it has no exact JSON form: a foreign type, a number that isn't finite, a lone surrogate.
    """
    if not value:
        return b""
    try:
        return _ENCODER.encode(value if type(value) is Snapshot else snapshot(value)).encode()
    except ValueError as error:
        message = f"the arguments have no exact JSON form: {error}"
        raise InvalidRequest("arguments_invalid", message) from error
