"""Takes terms apart by patterns, such as ``{"name": value} := object``, and finds patterns that a term never has."""

from __future__ import annotations

from collections.abc import Iterator

from tabard_sidecar.policy.loading.bounds import ANY, Fits, Listed, Origin, Shape, Values
from tabard_sidecar.policy.loading.finding import Frame, inexact_pattern, missing_key, wrong_pattern
from tabard_sidecar.policy.loading.shapes import field_of, kinds
from tabard_sidecar.policy.values import Json


def check_pattern(pattern: Json, shape: Shape, frame: Frame) -> None:
    """Find a pattern of another type, or with other names, than a part of the input has."""
    kind = pattern.get("type")
    if kind not in {"array", "object"} or not isinstance(shape, Fits):
        return
    types = kinds(shape)
    if types and kind not in types:
        wrong_pattern(types, kind, frame)
    elif kind == "array" and len(pattern["value"]) > max(_most(schema) for schema in shape.schemas):
        wrong_pattern(frozenset({"fewer items"}), f"{len(pattern['value'])} items", frame)
    elif kind == "object":
        names = [key.get("value") for key, _ in pattern["value"] if key.get("type") == "string"]
        for name in names:
            if field_of(shape, name) is None:
                missing_key(shape, name, Origin(), frame)
                return
        every = [set(schema["properties"]) for schema in shape.schemas if schema.get("x-always")]
        if (
            len(every) == len(shape.schemas)
            and len(names) == len(pattern["value"])
            and set(names) not in every
        ):
            inexact_pattern(shape, sorted(every[0] - set(names)), frame)


def parts_of(pattern: Json, shape: Shape) -> Iterator[tuple[Json, Shape]]:
    """Yield the parts of a pattern that are no patterns themselves, each with the bound of what it has to equal."""
    kind, value = pattern.get("type"), pattern.get("value")
    if kind == "array":
        for index, part in enumerate(value):
            inner = field_of(shape, index) if isinstance(shape, Values | Fits) else None
            if isinstance(shape, Listed):
                inner = shape.items[index] if index < len(shape.items) else None
            yield from parts_of(part, ANY if inner is None else inner)
    elif kind == "object":
        for key, part in value:
            inner = field_of(shape, key.get("value")) if key.get("type") == "string" else None
            yield from parts_of(part, ANY if inner is None else inner)
    else:
        yield pattern, shape


def _most(schema: Json) -> float:
    return float(schema.get("maxItems", "inf"))
