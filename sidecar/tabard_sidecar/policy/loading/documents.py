"""Parses data files strictly: malformed, duplicate or conflicting values are errors."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable
from typing import NoReturn

from tabard_sidecar.policy.values import Json

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
        DocumentError: malformed, repeated keys, NaN or infinity.
    """
    try:
        value = json.loads(content, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise DocumentError("json", f"isn't JSON: {error.msg}", "Fix the syntax", error.lineno) from error
    except (RecursionError, ValueError) as error:
        raise DocumentError("json", f"can't be used as JSON: {error}", "Fix the file") from error
    _require_json(value, MAX_DEPTH)
    return value


def parse_yaml(content: bytes) -> Json:
    """Parse one YAML document that holds only what JSON can hold.

    Raises:
        DocumentError: malformed, repeated keys, aliases, or values that JSON doesn't have.
    """
    import yaml  # noqa: PLC0415  # most processes never read YAML data

    class Loader(yaml.SafeLoader):
        """Refuses aliases and duplicate keys, which SafeLoader accepts."""

        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            if self.check_event(yaml.AliasEvent):
                event = self.peek_event()  # type: ignore[no-untyped-call]
                raise yaml.MarkedYAMLError(problem="aliases are not accepted", problem_mark=event.start_mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Json]:  # noqa: FBT002  # as inherited
            names = [key.value for key, _value in node.value]
            for position, name in enumerate(names):
                if not isinstance(name, str) or name in names[:position]:
                    raise yaml.MarkedYAMLError(
                        problem=f"key {name!r} is repeated or isn't a string",
                        problem_mark=node.value[position][0].start_mark,
                    )
            return super().construct_mapping(node, deep=deep)

    try:
        value = yaml.load(content, Loader=Loader)  # noqa: S506  # derived from SafeLoader
    except yaml.MarkedYAMLError as error:
        row = error.problem_mark.line + 1 if error.problem_mark is not None else 0
        raise DocumentError(
            "yaml", f"can't be used as YAML: {error.problem}", "Fix the syntax", row
        ) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DocumentError("yaml", f"can't be used as YAML: {error}", "Fix the file") from error
    _require_json(value, MAX_DEPTH)
    return value


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} is repeated")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} isn't a number")


def _require_json(value: Json, depth: int) -> None:
    if depth == 0:
        raise DocumentError("depth", f"is nested deeper than {MAX_DEPTH} levels", "Flatten the data")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise DocumentError("not_json", f"key {key!r} isn't a string", "Quote the key")
            _require_json(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _require_json(item, depth - 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise DocumentError("not_json", "holds a number that isn't finite", "Use a finite number")
    elif value is not None and not isinstance(value, (str, int, float, bool)):
        raise DocumentError(
            "not_json", f"holds a {type(value).__name__}, which JSON lacks", "Quote the value"
        )


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
