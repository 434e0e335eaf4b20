"""Drops patterns that the sidecar can't match from other parties' schemas, where the operator names tool and field."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from tabard_sidecar.policy.schema import compile_schema
from tabard_sidecar.policy.schema_rules import SchemaError

_NAMING = ("properties", "$defs", "definitions")
_HINTED = 5
_SHOWN = 100


class DropError(Exception):
    """A tool or field can't be found, or has no pattern that is refused; the text says which and what there is."""


def dropped(tools: Sequence[dict[str, Any]], wanted: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the tools without the refused patterns of the fields that are named, and what was dropped.

    Args:
        tools: as a server describes them.
        wanted: each the name of a tool, ``:`` and a field, such as ``find:filter.word``.

    Raises:
        DropError: as its description.
    """
    found, told = [copy.deepcopy(tool) for tool in tools], []
    for one in wanted:
        name, separator, field = one.rpartition(":")
        if not separator or not name or not field:
            raise DropError(f"{one!a} isn't TOOL:FIELD")
        schemas = [tool.get("inputSchema") for tool in found if tool.get("name") == name]
        if not schemas:
            raise DropError(f"the server offers no tool {name!a}")
        places = [place for schema in schemas for place in _refused(schema)]
        hit = [schema for where, schema in places if where == field]
        if not hit:
            fields = ", ".join(sorted({where for where, _ in places})[:_HINTED])
            others = f"; these have one: {fields}" if fields else ""
            raise DropError(f"{field!a} of {name!a} has no pattern that the sidecar refuses{others}")
        for schema in hit:
            pattern = schema.pop("pattern")
            told.append(
                f"dropped: the pattern {pattern[:_SHOWN]!a} of {name}:{field}; any text is accepted there"
            )
    return found, told


def hint(tool: dict[str, Any]) -> str:
    """Return how to keep a tool that was left out for its patterns; empty if it has none that is refused."""
    fields = sorted({field for field, _ in _refused(tool.get("inputSchema"))})[:_HINTED]
    options = " ".join(f"--drop-pattern {tool.get('name')}:{field}" for field in fields)
    return f" To keep it without: {options}" if options else ""


def _refused(schema: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each part of a schema whose pattern is refused, with the dotted name of the field that it is about."""
    pending: list[tuple[str, object]] = [("", schema)]
    while pending:
        field, part = pending.pop()
        if isinstance(part, list):
            pending += [(field, item) for item in part]
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("pattern"), str) and not _accepted(part["pattern"]):
            yield field, part
        for keyword, value in part.items():
            if keyword in _NAMING and isinstance(value, dict):
                prefix = field if keyword == "properties" else keyword
                pending += [(f"{prefix}.{name}".lstrip("."), inner) for name, inner in value.items()]
            elif keyword not in {"enum", "const", "default", "examples"}:
                pending.append((field, value))


def _accepted(pattern: str) -> bool:
    try:
        compile_schema({"pattern": pattern})
    except SchemaError:
        return False
    return True
