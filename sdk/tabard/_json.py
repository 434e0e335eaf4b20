"""Encodes arguments as JSON. Values without an exact JSON form are refused."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

from tabard.arguments import MAX_BYTES
from tabard.errors import InvalidRequest

MAX_DEPTH = 64
_PLAIN = frozenset({str, int, float, bool, type(None)})  # nearly all values: not worth a call
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))


class Snapshot(dict[str, Any]):
    """A private copy of arguments. Their types have a JSON form; single numbers and strings are still unchecked."""

    __slots__ = ()


def snapshot(value: Any, *, where: str = "argument") -> Any:  # noqa: ANN401  # any JSON value
    """Return the JSON form of ``value``, in JSON's own types; see :func:`read`.

    Raises:
        InvalidRequest: something in it has no exact JSON form, or it is nested too deeply.
    """
    return read(value, where)[0]


def read(value: Any, where: str, depth: int = MAX_DEPTH) -> tuple[Any, Any]:  # noqa: ANN401  # any values
    """Read ``value`` once; return its JSON form, and a value like it that is made from this form alone.

    Both share nothing mutable with ``value``. They are one object if the value is JSON. A value of a subclass of a JSON
    type (``str``, ``int``, ``float``, ``list``, ``tuple``, a mapping) becomes a plain one.

    Args:
        value: a JSON value, which may hold what :mod:`tabard._values` has a JSON form for.
        where: name of the value, for messages.
        depth: how many levels it may have.

    Raises:
        InvalidRequest: something in it has no exact JSON form, or it is nested too deeply.
    """
    if type(value) in _PLAIN:
        return value, value
    if not isinstance(value, (str, int, float, Enum)):
        if depth == 0:
            raise InvalidRequest("arguments_invalid", f"{where}: nested more than {MAX_DEPTH} levels deep")
        if isinstance(value, (list, tuple)):
            return _items(value, where, depth)
        if isinstance(value, (dict, Mapping)):
            return _members(value, where, depth)
    from tabard import _values  # noqa: PLC0415  # most arguments are plain

    return _values.rebuilt(value, where, functools.partial(read, depth=depth - 1))


def _items(value: Any, where: str, depth: int) -> tuple[Any, Any]:  # noqa: ANN401  # a list or tuple
    forms: list[Any] = []
    others: dict[int, Any] = {}
    kind = type(value)
    named = kind if isinstance(value, tuple) and hasattr(kind, "_make") else None
    for place, item in enumerate(value if named is None else tuple.__iter__(value)):
        form = item
        if type(item) not in _PLAIN:
            form, made = read(item, f"{where}[{place}]", depth - 1)
            if made is not form:
                others[place] = made
        forms.append(form)
    if not others and named is None:
        form = forms if isinstance(value, list) else tuple(forms)
        return form, form
    made = [others.get(place, form) for place, form in enumerate(forms)]
    if named is not None:
        from tabard import _values  # noqa: PLC0415  # most arguments are plain

        return forms, _values.named_tuple(named, made, where)
    return forms, made if isinstance(value, list) else tuple(made)


def _members(value: Any, where: str, depth: int) -> tuple[Any, Any]:  # noqa: ANN401  # a mapping
    forms: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for key, item in value.items():
        if type(key) is not str:
            key = _key(key, forms, where)  # noqa: PLW2901  # from here on it is the exact text
        form = item
        if type(item) not in _PLAIN:
            form, made = read(item, f"{where}.{key}", depth - 1)
            if made is not form:
                others[key] = made
        forms[key] = form
    return forms, forms | others if others else forms


def _key(key: object, known: Mapping[str, Any], where: str) -> str:
    if not isinstance(key, str):
        text = f"{where}: the key {key!r} is a {type(key).__name__}; JSON only has strings as keys"
        raise InvalidRequest("arguments_invalid", text)
    plain = str.__str__(key)
    if plain in known:
        raise InvalidRequest("arguments_invalid", f"{where}: the key {plain!r} is given twice")
    return plain


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
