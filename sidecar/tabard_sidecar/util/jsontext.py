"""Writing JSON fast, which the sidecar does on every call, and reading much of it beside others' work."""

from __future__ import annotations

import json
from typing import Any

import orjson

_careful = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def encode(value: object) -> bytes:
    """Encode as compact JSON in UTF-8.

    What orjson can't write (integers beyond 64 bits, unpaired surrogates) is written by the standard library, in ASCII.
    NaN and infinities become null; what comes from callers was parsed strictly and holds none.

    Raises:
        TypeError: the value holds something that JSON can't express.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return _careful(value).encode()


def encode_to_keep(value: object) -> bytes:
    """Encode as :func:`encode` does what is then kept for long. orjson's own result may hold twenty times its size.

    Raises:
        TypeError: the value holds something that JSON can't express.
    """
    return bytes(memoryview(encode(value)))


def read_json(content: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return the value of large JSON. Call it in a thread: others have their turns between its objects.

    Raises:
        ValueError: it isn't JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(content, object_hook=_itself)


def _itself(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object as it is. Python's own reader would hold the interpreter until its end."""
    return value
