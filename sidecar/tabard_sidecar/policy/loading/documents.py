"""Parses data files strictly: malformed, duplicate or conflicting values are errors."""

from __future__ import annotations

import json
from typing import NoReturn

from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.problems import SourceError
from tabard_sidecar.util.yaml_scalars import exact_float

MAX_DEPTH = 100


class DocumentError(Exception):
    """A file can't be used."""

    def __init__(self, code: str, message: str, next_step: str, row: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.next_step = next_step
        self.row = row


def parse_data(content: bytes, name: str) -> Json:
    """Parse JSON or YAML, by the file's name.

    Raises:
        DocumentError: malformed, repeated keys, or values that JSON doesn't have.
    """
    return parse_json(content) if name.endswith(".json") else parse_yaml(content)


def parse_json(content: bytes) -> Json:
    """Parse JSON.

    Raises:
        DocumentError: malformed, repeated keys, NaN or infinity, numbers with more digits than they keep, or text that
            isn't Unicode.
    """
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=exact_float,
        )
    except json.JSONDecodeError as error:
        raise DocumentError("json", f"isn't JSON: {error.msg}", "Fix the syntax", error.lineno) from error
    except (RecursionError, ValueError) as error:
        raise DocumentError("json", f"can't be used as JSON: {error}", "Fix the file") from error
    _require_json(value, MAX_DEPTH)
    return value


def parse_yaml(content: bytes) -> Json:
    """Parse one YAML document that holds only what JSON can hold.

    Raises:
        DocumentError: malformed, repeated keys, aliases, values that JSON doesn't have, or unquoted scalars that readers
            of YAML 1.1 and 1.2 read differently.
    """
    from tabard_sidecar.util.yaml_source import parse_data as parse  # noqa: PLC0415  # some processes never read YAML

    try:
        return parse(content, "", MAX_DEPTH)
    except SourceError as error:
        first = error.problems[0]
        raise DocumentError("yaml", first.message, first.next_step.rstrip("."), first.line) from error


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice!r} is repeated")
    return value


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
