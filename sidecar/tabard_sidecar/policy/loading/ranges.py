"""Tells what bounds say of a comparison before it is evaluated: the range of a number, the length of a text or list."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from math import inf

from tabard_sidecar.policy.values import Json

Schema = Mapping[str, Json]

_ORDERS: Mapping[str, Callable[[Json, Json], bool]] = {
    "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le,
}  # fmt: skip
_FLIPPED = {"gt": "lt", "gte": "lte", "lt": "gt", "lte": "gte"}


def flipped(name: str) -> str:
    """Return the comparison that means the same with its sides changed over."""
    return _FLIPPED.get(name, name)


def admits(value: Json, schema: Schema) -> bool:
    """Tell whether a value is within the bounds that a schema states for values of its type."""
    if isinstance(value, str):
        return bool(
            schema.get("minLength", 0) <= len(value) and len(value.encode()) <= schema.get("x-bytes", inf)
        )
    if isinstance(value, list):
        if len(value) > schema.get("maxItems", inf):
            return False
        texts = all(isinstance(item, str) for item in value)
        return not (schema.get("x-sorted") and texts) or sorted(set(value)) == value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    lowest, highest = _range(schema)
    return lowest <= value <= highest and not value % schema.get("multipleOf", value or 1)


def order(name: str, schema: Schema, value: Json) -> bool | None:
    """Tell what every comparison by order of a part of the input with a value gives; ``None`` if that depends.

    Args:
        name: the builtin, with the part on its left side.
        schema: bounds of the part.
        value: the literal on the right side.
    """
    holds = _ORDERS[name]
    listed = schema.get("enum")
    if isinstance(listed, list):
        found = {holds(one, value) for one in listed if type(one) is type(value)}
        return found.pop() if len(found) == 1 and listed else None
    if isinstance(value, str):
        # No other text stands before the empty one, or before any that isn't empty.
        above = schema.get("minLength", 0) > 0 or name in {"gte", "lt"}
        return name in {"gt", "gte"} if value == "" and above else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    ends = {holds(end, value) for end in _range(schema)}
    return ends.pop() if len(ends) == 1 else None


def count_of(schema: Schema) -> dict[str, Json]:
    """Return the schema of the number of items of a collection, or of characters of a text."""
    found: dict[str, Json] = {"type": "integer", "minimum": schema.get("minLength", 0)}
    most = schema.get("x-bytes") if schema.get("type") == "string" else schema.get("maxItems")
    if most is not None:
        found["maximum"] = most
    if schema.get("x-always"):
        found["x-always"] = True
    return found | {"x-what": f"count({schema.get('x-what', 'the input')})"}


def described(schemas: Sequence[Schema]) -> str:
    """Return the bounds in words; empty if none are known."""
    lowest = min(_range(schema)[0] for schema in schemas)
    highest = max(_range(schema)[1] for schema in schemas)
    kinds = {schema.get("type") for schema in schemas}
    if kinds == {"string"}:
        most = max(schema.get("x-bytes", inf) for schema in schemas)
        return f"a text of 1 to {most} bytes" if most < inf else ""
    if kinds == {"array"}:
        most = max(schema.get("maxItems", inf) for schema in schemas)
        return f"a sorted list of at most {most} texts" if most < inf else ""
    if lowest == -inf:
        return ""
    steps = {schema.get("multipleOf", 1) for schema in schemas}
    whole = f"a multiple of {steps.pop()}" if len(steps) == 1 and steps != {1} else "a whole number"
    return f"{whole} from {lowest}" + (f" to {highest}" if highest < inf else "")


def _range(schema: Schema) -> tuple[float, float]:
    return schema.get("minimum", -inf), schema.get("maximum", inf)
