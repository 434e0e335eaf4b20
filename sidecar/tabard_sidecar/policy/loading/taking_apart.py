"""Finds patterns, such as ``{"name": value} := object``, that the term which they take apart never has."""

from __future__ import annotations

from tabard_sidecar.policy.loading.bounds import Fits, Origin, Shape
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


def _most(schema: Json) -> float:
    return float(schema.get("maxItems", "inf"))
