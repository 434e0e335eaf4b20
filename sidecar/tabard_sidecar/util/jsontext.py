"""Writing JSON fast: what the sidecar writes on every call goes through here."""

from __future__ import annotations

import json

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
