"""Arguments of a tool call: strict parsing, canonical form and digest.

All programs that sign, check or compare a call must read the same JSON. Parsing therefore refuses what two parsers could
read differently, and digests are taken over the canonical form of RFC 8785 (JSON Canonicalization Scheme). Vectors for other
languages are in tests/conformance/.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from json.encoder import encode_basestring
from typing import Any, NoReturn

MAX_BYTES = 256 * 1024
"""Longest arguments, in bytes of UTF-8."""
MAX_DEPTH = 64
"""Deepest nesting; the outermost object counts as one."""
MAX_INTEGER = 2**53
"""Largest integer, positive or negative, that every JSON implementation keeps exact."""

_MAX_INTEGER_DIGITS = 17  # of 2^53 with a sign
_FIRST_WITH_EXPONENT = 1e21  # the first double that is canonically written with an exponent
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?+|[\[\]{}]', re.DOTALL)


class ArgumentsError(ValueError):
    """The arguments aren't a strict JSON object; the message says why and never quotes them."""


def parse_arguments(data: bytes) -> dict[str, Any]:
    """Parse the arguments of a tool call; empty input means no arguments.

    Args:
        data: one JSON object (RFC 8259) in strict UTF-8 without byte order mark.

    Raises:
        ArgumentsError: it is longer than 256 KiB, nested deeper than 64 levels, not UTF-8 or not JSON, no object,
            repeats a key, holds a lone surrogate, NaN, an infinity, a number too large for a double, or one that
            is canonically an integer beyond ±2^53.
    """
    if not data:
        return {}
    value = parse_json(data)
    if not isinstance(value, dict):
        raise ArgumentsError("arguments must be a JSON object")
    return value


def parse_json(data: bytes, *, max_bytes: int = MAX_BYTES) -> object:
    """Parse any JSON value as strictly as :func:`parse_arguments` does.

    Raises:
        ArgumentsError: see there.
    """
    if len(data) > max_bytes:
        raise ArgumentsError(f"JSON is longer than {max_bytes} bytes")
    # More brackets than levels are needed before the nesting is worth counting.
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH:
        _check_depth(data)
    try:
        value: object = _DECODER.decode(data.decode("utf-8"))
        if b"\\u" in data:
            _refuse_surrogates(value)
    except UnicodeDecodeError as error:
        raise ArgumentsError(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ArgumentsError(f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise ArgumentsError("nested too deep") from None
    return value


def canonical(value: object) -> bytes:
    """Return the canonical form of a JSON value (RFC 8785).

    Accepts what :func:`parse_json` returns, and tuples as arrays.

    Raises:
        ArgumentsError: the value holds something that isn't JSON, or that RFC 8785 can't represent: a number that is
            not finite, an integer beyond ±2^53, a lone surrogate, a key that isn't a string.
    """
    parts: list[str] = []
    try:
        _write(value, parts, MAX_DEPTH)
        return "".join(parts).encode("utf-8")
    except UnicodeEncodeError:
        raise ArgumentsError("a string holds a lone surrogate") from None


def call_digest(name: str, server: str, arguments_canonical: bytes) -> str:
    """Return the digest that pins one tool call, as 64 lower-case hex digits.

    It is the SHA-256 of the canonical form of ``{"arguments": …, "name": …, "server": …}``, so two different calls
    never hash the same bytes.

    Args:
        name: name of the tool.
        server: name of the server that offers it, or the empty string.
        arguments_canonical: the arguments as :func:`canonical` returns them.

    Raises:
        ArgumentsError: a name holds a lone surrogate.
    """
    try:
        names = f',"name":{encode_basestring(name)},"server":{encode_basestring(server)}}}'.encode()
    except UnicodeEncodeError:
        raise ArgumentsError("a name holds a lone surrogate") from None
    return hashlib.sha256(b'{"arguments":' + arguments_canonical + names).hexdigest()


def format_number(value: float) -> str:
    """Return a double as ECMAScript prints it, which RFC 8785 section 3.2.2.3 demands.

    Raises:
        ArgumentsError: it is not finite.
    """
    text = repr(value)
    if "e" not in text:
        if text.endswith(".0"):
            return "0" if text == "-0.0" else text[:-2]
        if "n" in text:  # nan, inf
            raise ArgumentsError("a number is not finite")
        return text
    mantissa, _, exponent_text = text.partition("e")
    sign = "-" if mantissa[0] == "-" else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = whole + fraction
    point = int(exponent_text) + 1  # where the decimal point stands, counted from the first digit
    if len(digits) <= point <= 21:  # noqa: PLR2004 - ECMAScript, Number::toString, which is where 1e21 comes from
        return sign + digits + "0" * (point - len(digits))
    if -6 < point <= 0:  # noqa: PLR2004
        return f"{sign}0.{'0' * -point}{digits}"
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{point - 1:+d}"


def _write(value: Any, parts: list[str], depth: int) -> None:  # noqa: ANN401, C901 - one branch per JSON type
    kind = type(value)
    if kind is str:
        parts.append(encode_basestring(value))
    elif kind is bool:
        parts.append("true" if value else "false")
    elif kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise ArgumentsError("an integer is beyond ±2^53")
        parts.append(repr(value))
    elif kind is float:
        parts.append(format_number(value))
    elif value is None:
        parts.append("null")
    elif depth == 0:
        raise ArgumentsError(f"nested deeper than {MAX_DEPTH} levels")
    elif kind is dict:
        separator = "{"
        for key in _sorted_keys(value):
            parts.append(separator)
            parts.append(encode_basestring(key))
            parts.append(":")
            _write(value[key], parts, depth - 1)
            separator = ","
        parts.append("}" if value else "{}")
    elif kind is list or kind is tuple:
        separator = "["
        for item in value:
            parts.append(separator)
            _write(item, parts, depth - 1)
            separator = ","
        parts.append("]" if value else "[]")
    else:
        raise ArgumentsError(f"{kind.__name__} is not a JSON type")


def _sorted_keys(value: dict[str, Any]) -> list[str]:
    keys = list(value)
    if {*map(type, keys)} - {str}:
        raise ArgumentsError("a key is not a string")
    if len(keys) > 1:
        # Code points sort like UTF-16 code units unless a key holds a character beyond U+FFFF.
        if "".join(keys).isascii():
            keys.sort()
        else:
            keys.sort(key=_utf16)
    return keys


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")


def _check_depth(data: bytes) -> None:
    """Check the depth of the nesting without recursion; strings are skipped as whole tokens."""
    depth = 0
    for token in _TOKENS.finditer(data):
        first = data[token.start()]
        if first in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ArgumentsError(f"nested deeper than {MAX_DEPTH} levels")
        elif first in b"]}":
            depth -= 1


def _refuse_surrogates(value: object) -> None:
    """Refuse a lone surrogate: an escape can spell it, but UTF-8 can't encode it."""
    pending: list[object] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if not item.isascii():
                try:
                    item.encode("utf-8")
                except UnicodeEncodeError:
                    raise ArgumentsError("a string holds a lone surrogate") from None
        elif isinstance(item, dict):
            pending.extend(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ArgumentsError("a key is repeated")
    return value


def _integer(text: str) -> int:
    if len(text) <= _MAX_INTEGER_DIGITS:
        value = int(text)
        if -MAX_INTEGER <= value <= MAX_INTEGER:
            return value
    raise ArgumentsError("an integer is beyond ±2^53")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ArgumentsError("a number is too large for a double")
    # Its canonical form is an integer that parsing refuses, or it is 2^53, perhaps rounded from another number.
    if MAX_INTEGER <= abs(value) < _FIRST_WITH_EXPONENT and not _is_largest(text):
        raise ArgumentsError("an integer is beyond ±2^53")
    return value


def _is_largest(text: str) -> bool:
    """Tell whether a number is exactly ±2^53, however it is written."""
    from decimal import Decimal  # noqa: PLC0415  # for numbers that are next to never there

    return abs(Decimal(text)) == MAX_INTEGER


def _constant(name: str) -> NoReturn:
    raise ArgumentsError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
