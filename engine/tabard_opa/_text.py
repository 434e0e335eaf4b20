"""Reads and writes large JSON in pieces, between which other threads have their turn: Python's own code holds the GIL meanwhile."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from tabard_opa.errors import EngineError, PolicyProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_AT_ONCE: Final = 500
_DEPTH: Final = 4


def json_value(text: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return the value of JSON text that the library wrote.

    Raises:
        ValueError: it isn't JSON.
    """
    return json.loads(text, object_hook=_itself)


def _itself(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object as it is. Between calls of Python other threads get their turns."""
    return value


def json_text(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return a value as JSON text.

    Raises:
        ValueError: it holds NaN or infinity, or itself.
        TypeError: it isn't JSON.
        RecursionError: it is nested too deeply.
    """
    return "".join(_pieces(value, _DEPTH))


def data_text(data: Mapping[str, Any] | bytes) -> str:
    """Return the base documents of a policy as JSON text.

    Raises:
        EngineError: they aren't JSON.
    """
    try:
        return json_text(json_value(data) if isinstance(data, bytes) else dict(data))
    except (ValueError, TypeError, RecursionError) as error:
        raise EngineError((PolicyProblem("", 0, 0, "data_error", f"data: {error}"),)) from error


def _pieces(value: Any, depth: int) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(value, dict) and value:
        yield from _members(value, depth)
    elif isinstance(value, list) and value:
        yield from _items(value, depth)
    else:
        yield _encoded(value)


def _members(value: dict[Any, Any], depth: int) -> Iterator[str]:
    between = "{"
    if depth and len(value) <= _AT_ONCE and all(isinstance(key, str) for key in value):
        for key, item in value.items():
            yield f"{between}{_encoded(key)}:"
            yield from _pieces(item, depth - 1)
            between = ","
    else:
        members = iter(value.items())
        while group := dict(islice(members, _AT_ONCE)):
            yield between + _encoded(group)[1:-1]
            between = ","
    yield "}"


def _items(value: list[Any], depth: int) -> Iterator[str]:
    between = "["
    if depth and len(value) <= _AT_ONCE:
        for item in value:
            yield between
            yield from _pieces(item, depth - 1)
            between = ","
    else:
        for start in range(0, len(value), _AT_ONCE):
            yield between + _encoded(value[start : start + _AT_ONCE])[1:-1]
            between = ","
    yield "]"


def _encoded(value: Any) -> str:  # noqa: ANN401 - JSON
    return json.dumps(value, allow_nan=False, separators=(",", ":"))
