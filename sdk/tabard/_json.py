"""Encodes arguments as JSON. Values without an exact JSON form are refused."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from tabard.arguments import MAX_BYTES
from tabard.errors import InvalidRequest

MAX_DEPTH = 64
_PLAIN = frozenset({str, int, float, bool, type(None)})  # nearly all values: not worth a call
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))


class Snapshot(dict[str, Any]):
    """A private copy of arguments. Their types have a JSON form; single numbers and strings are still unchecked."""

    __slots__ = ()


def snapshot(
    value: Any,  # noqa: ANN401  # any value
    *,
    where: str = "argument",
    depth: int = MAX_DEPTH,
    typed: list[str] | None = None,
) -> Any:  # noqa: ANN401  # any JSON value
    """Return the JSON form of ``value`` as a copy that shares nothing mutable with it.

    Args:
        value: a JSON value, which may hold what :mod:`tabard._values` has a JSON form for.
        where: name of the value, for messages.
        depth: how many levels it may have.
        typed: receives the names of values whose JSON form has another type than they.

    Raises:
        InvalidRequest: something in it has no exact JSON form, or it is nested too deeply.
    """
    if value is None or isinstance(value, (str, int, float)):
        return value
    if depth == 0:
        raise InvalidRequest("arguments_invalid", f"{where}: nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, (list, tuple)):
        if typed is not None and hasattr(value, "_fields"):
            typed.append(where)
        items = [
            item
            if type(item) in _PLAIN
            else snapshot(item, where=f"{where}[{place}]", depth=depth - 1, typed=typed)
            for place, item in enumerate(value)
        ]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, (dict, Mapping)):
        copied = {}
        for key, item in value.items():
            if not isinstance(key, str):
                text = f"{where}: the key {key!r} is a {type(key).__name__}; JSON only has strings as keys"
                raise InvalidRequest("arguments_invalid", text)
            copied[key] = (
                item
                if type(item) in _PLAIN
                else snapshot(item, where=f"{where}.{key}", depth=depth - 1, typed=typed)
            )
        return copied
    from tabard import _values  # noqa: PLC0415  # most arguments are plain

    if typed is not None:
        typed.append(where)
    write = functools.partial(snapshot, depth=depth - 1, typed=[])
    return _values.plain(value, where, write)


def encode(value: Mapping[str, Any]) -> bytes:
    """Return ``value`` as JSON in UTF-8.

    Raises:
        InvalidRequest: it has no exact JSON form: a foreign type, a number that isn't finite, a lone surrogate. Or it is
            longer than a sidecar accepts.
    """
    if not value:
        return b""
    try:
        encoded = _ENCODER.encode(value if type(value) is Snapshot else snapshot(value)).encode()
    except (ValueError, RecursionError) as error:
        message = f"the arguments have no exact JSON form: {error}"
        raise InvalidRequest("arguments_invalid", message) from error
    if len(encoded) > MAX_BYTES:
        message = (
            f"the arguments have {len(encoded)} bytes of JSON, and at most {MAX_BYTES} are accepted; "
            "pass a reference to large content, for example a path or an id"
        )
        raise InvalidRequest("request_too_large", message)
    return encoded
