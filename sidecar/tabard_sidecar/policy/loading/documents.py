"""Parses data files strictly: malformed, duplicate or conflicting values are errors."""

from __future__ import annotations

import json
from typing import NoReturn

from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.problems import SourceError
from tabard_sidecar.util.wanted import require_wanted
from tabard_sidecar.util.yaml_scalars import exact_float

MAX_DEPTH = 100
MAX_BYTES = 4 * 1024 * 1024
"""Most bytes of a catalogue, and usually of a policy's data. Parsing holds up all else for some 10 ms."""
MAX_VALUES = 100_000
"""Most values of a catalogue, and usually of a policy's data."""
_OPENING = (b",", b"[", b"{")


class DocumentError(Exception):
    """A file can't be used."""

    def __init__(self, code: str, message: str, next_step: str, row: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.next_step = next_step
        self.row = row


def parse_data(content: bytes, name: str, max_values: int = MAX_VALUES, max_bytes: int = MAX_BYTES) -> Json:
    """Parse JSON or YAML, by the file's name. What is too large is refused before it takes time or memory.

    Raises:
        DocumentError: malformed, too large, repeated keys, or values that JSON doesn't have.
    """
    parse = parse_json if name.endswith(".json") else parse_yaml
    return parse(content, max_values, max_bytes)


def count_values(value: Json) -> int:
    """Return the number of values in a value, itself included and keys excluded."""
    count, pending = 0, [value]
    while pending:
        count += 1
        one = pending.pop()
        pending.extend(one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
    return count


def parse_json(content: bytes, max_values: int = MAX_VALUES, max_bytes: int = MAX_BYTES) -> Json:
    """Parse JSON.

    Raises:
        DocumentError: malformed, too large, repeated keys, NaN or infinity, numbers with more digits than they keep, or text that
            isn't Unicode.
    """
    require_small_json(content, max_values, max_bytes)
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=exact_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise DocumentError("json", f"isn't JSON: {error.msg}", "Fix the syntax", error.lineno) from error
    except (RecursionError, ValueError) as error:
        raise DocumentError("json", f"can't be used as JSON: {error}", "Fix the file") from error
    _require_json(value, MAX_DEPTH)
    return value


def parse_yaml(content: bytes, max_values: int = MAX_VALUES, max_bytes: int = MAX_BYTES) -> Json:
    """Parse one YAML document that holds only what JSON can hold.

    Raises:
        DocumentError: malformed, too large, repeated keys, aliases, values that JSON doesn't have, or unquoted scalars that readers
            of YAML 1.1 and 1.2 read differently.
    """
    from tabard_sidecar.util.yaml_source import parse_data as parse  # noqa: PLC0415  # some processes never read YAML

    _require_size(content, max_bytes)
    try:
        return parse(content, "", MAX_DEPTH, max_values)
    except SourceError as error:
        first = error.problems[0]
        raise DocumentError("yaml", first.message, first.next_step.rstrip("."), first.line) from error


def require_small_json(content: bytes, max_values: int = MAX_VALUES, max_bytes: int = MAX_BYTES) -> None:
    """Refuse JSON with too many bytes or values, before anything parses it.

    Raises:
        DocumentError: as told.
    """
    _require_size(content, max_bytes)
    # In text these characters count, too; prose of the largest size has fewer of them.
    if sum(map(content.count, _OPENING)) >= max_values:
        message = f"has more than {max_values} commas and opening brackets, that is values"
        raise DocumentError("limit", message, "Keep fewer values in the file")


def _require_size(content: bytes, max_bytes: int) -> None:
    if len(content) > max_bytes:
        message = f"has {len(content)} bytes; {max_bytes} are accepted"
        raise DocumentError("limit", message, "Keep less in the file")


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    require_wanted()
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice!r} is repeated")
    return value


def _integer(text: str) -> int:
    """Return an integer. Between calls of Python other threads get their turns."""
    return int(text)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} isn't a number")


def _require_json(value: Json, depth: int) -> None:
    if depth == 0:
        raise DocumentError("depth", f"is nested deeper than {MAX_DEPTH} levels", "Flatten the data")
    if isinstance(value, dict):
        for key, item in value.items():
            _require_text(key)
            _require_json(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _require_json(item, depth - 1)
    elif isinstance(value, str):
        _require_text(value)


def _require_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DocumentError(
            "json", "holds half of a surrogate pair, which is no character", "Fix the text"
        ) from None


def merge(into: dict[str, Json], other: dict[str, Json], path: str = "data") -> None:
    """Merge ``other`` into ``into``: objects are merged, any other value may be defined only once.

    Raises:
        DocumentError: both define the same value.
    """
    for key, value in other.items():
        if key not in into:
            into[key] = value
        elif isinstance(into[key], dict) and isinstance(value, dict):
            merge(into[key], value, f"{path}.{key}")
        else:
            raise DocumentError(
                "data_conflict", f"{path}.{key} is defined twice", "Keep one of the definitions"
            )
