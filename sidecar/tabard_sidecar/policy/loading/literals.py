"""Checks the elements that rules state as literals against their schema, when the policy is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice

from tabard_sidecar.policy.loading.ast import Node, Place, constant, place
from tabard_sidecar.policy.schema import Check, compile_schema
from tabard_sidecar.policy.schema_rules import SchemaError
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.similar import get_close_matches

MAX_NEAR = 1000
"""Most names of which the nearest is looked for."""

MAX_COMPILED = 64
"""Most schemas of elements that stay compiled."""

Finding = tuple[Place, str, str]
"""Place, problem and next step."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` if a known name is close, else nothing."""
    names = list(islice(known, MAX_NEAR))
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def check_literal(term: Node, schema: Mapping[str, Json], path: str = "") -> Iterator[Finding]:
    """Yield the problems of ``term`` that don't depend on its variables."""
    ground, value = constant(term)
    found = list(_check_object(term, schema, path)) if term.get("type") == "object" else []
    yield from found
    if ground and not found:
        yield from _check_ground(term, value, schema, path)


def _check_ground(term: Node, value: Json, schema: Mapping[str, Json], path: str) -> Iterator[Finding]:
    check = _compiled(json.dumps(schema))
    fault = check(value) if check else None
    if fault is None:
        return
    below, problem = fault
    name = ".".join(part for part in (path, below) if part)
    yield (
        place(term),
        f"{name!r} {problem}" if name else f"the element {problem}",
        _known_names(value, below, schema),
    )


@lru_cache(MAX_COMPILED)
def _compiled(schema: str) -> Check | None:
    """Compile a schema, ``None`` if it can't be; the rules of a policy have few kinds of elements."""
    try:
        return compile_schema(json.loads(schema))
    except SchemaError:
        return None


def _known_names(value: Json, below: str, schema: Mapping[str, Json]) -> str:
    known = schema.get("properties", {})
    if isinstance(value, dict) and below in value and known and below not in known:
        return "Use one of " + ", ".join(known) + nearest(below, known)
    return "Write the element as docs/policy-guide.md describes it"


def _check_object(term: Node, schema: Mapping[str, Json], path: str) -> Iterator[Finding]:
    properties: Mapping[str, Json] = schema.get("properties", {})
    names: set[str] = set()
    unknown: list[str] = []
    for key, item in term["value"]:
        if key.get("type") != "string":
            return  # a computed name can't be checked
        name = key["value"]
        names.add(name)
        below = f"{path}.{name}" if path else name
        if name in properties:
            if isinstance(properties[name], Mapping):
                yield from check_literal(item, properties[name], below)
        elif schema.get("additionalProperties") is False:
            unknown.append(name)
            known = ", ".join(sorted(properties))
            yield (
                place(key),
                f"{below!r} is not a known name",
                f"Use one of {known}{nearest(name, properties)}",
            )
    for name in schema.get("required", ()):
        if name not in names and not get_close_matches(
            name, unknown, n=1
        ):  # misspelt: one mistake, told once
            below = f"{path}.{name}" if path else name
            yield place(term), f"{below!r} is missing", "Add it"
