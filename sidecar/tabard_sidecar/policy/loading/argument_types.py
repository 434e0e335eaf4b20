"""Reads from tools' JSON Schemas which types and listed values their arguments have, as far as shapes can use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tabard_sidecar.policy.values import Json

_TYPES = frozenset({"array", "boolean", "integer", "number", "object", "string"})
_MAX_DEPTH = 8


def types_of(schemas: Iterable[Json], what: str) -> dict[str, Mapping[str, Json]]:
    """Return what is known of each argument of tools; nothing of one that the tools describe differently.

    Args:
        schemas: JSON Schemas of the arguments of tools that a rule can be about.
        what: how messages call the arguments.
    """
    described = [_properties(schema) for schema in schemas]
    found: dict[str, Mapping[str, Json]] = {}
    for name in set().union(*described):
        views = [_view(each.get(name), f"{what}.{name}", 0) for each in described if name in each]
        found[name] = views[0] if all(view == views[0] for view in views) else {}
    return found


def _properties(schema: Json) -> Mapping[str, Json]:
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    return properties if isinstance(properties, Mapping) else {}


def _view(schema: Json, what: str, depth: int) -> Mapping[str, Json]:
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    if not isinstance(kind, str) or kind not in _TYPES or depth > _MAX_DEPTH:
        return {}
    found: dict[str, Json] = {"type": kind, "x-what": what}
    listed = schema.get("enum")
    if kind == "string" and isinstance(listed, list):
        found["enum"] = [value for value in listed if isinstance(value, str)]
    if kind == "array":
        found["items"] = _view(schema.get("items"), f"{what}[]", depth + 1)
    if kind == "object":
        inner = _properties(schema)
        found["properties"] = {name: _view(inner[name], f"{what}.{name}", depth + 1) for name in inner}
        found["additionalProperties"] = schema.get("additionalProperties", True) is not False
    return found
