"""Knows the types of OPA's builtins: what their operands have to be, and what they return."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TypeAlias

from tabard_opa import default_capabilities

from tabard_sidecar.policy.values import Json

Kinds: TypeAlias = frozenset[str] | None
"""Types; ``None`` for any."""

Operand: TypeAlias = tuple[Kinds, Kinds]
"""The types of an operand, and those of its items if it is a collection."""

_LISTED: Mapping[str, Mapping[str, Json]] = {
    "time.weekday": {
        "enum": ["Friday", "Monday", "Saturday", "Sunday", "Thursday", "Tuesday", "Wednesday"],
    },
    "type_name": {"enum": ["array", "boolean", "null", "number", "object", "set", "string"]},
}
"""What builtins return that have few answers."""
_SCALARS = frozenset({"boolean", "number", "string"})


def builtin_operands() -> Mapping[str, tuple[Operand, ...]]:
    """Return for each builtin which operands it takes."""
    return _declared()[0]


def builtin_results() -> Mapping[str, Mapping[str, Json]]:
    """Return the schema of what each builtin returns, as far as its type says."""
    return _declared()[1]


@cache
def _declared() -> tuple[Mapping[str, tuple[Operand, ...]], Mapping[str, Mapping[str, Json]]]:
    """Return both tables, which a process makes once: the engine's document takes 3 ms, and isn't kept."""
    builtins = default_capabilities()["builtins"]
    return dict(_operands(builtins)), dict(_results(builtins))


def _operands(builtins: Iterable[Mapping[str, Json]]) -> Iterator[tuple[str, tuple[Operand, ...]]]:
    for builtin in builtins:
        yield builtin["name"], tuple((_kinds(arg), _inner(arg)) for arg in builtin["decl"].get("args") or ())


def _kinds(declared: Mapping[str, Json]) -> Kinds:
    if declared["type"] != "any":
        return frozenset({declared["type"]})
    found = [_kinds(one) for one in declared.get("of") or ()]
    known = [one for one in found if one is not None]
    return frozenset().union(*known) if found and len(known) == len(found) else None


def _inner(declared: Mapping[str, Json]) -> Kinds:
    """Return the types of the items of every collection that is accepted."""
    options = declared.get("of") or () if declared["type"] == "any" else (declared,)
    found: set[str] = set()
    for one in options:
        item = (
            one.get("dynamic") if one["type"] == "array" else one.get("of") if one["type"] == "set" else None
        )
        accepted = _kinds(item) if isinstance(item, Mapping) else None
        if accepted is None:
            return None
        found |= accepted
    return frozenset(found) or None


def _results(builtins: Iterable[Mapping[str, Json]]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    for builtin in builtins:
        result = builtin["decl"].get("result") or {}
        kind = result.get("type")
        if kind in _SCALARS:
            yield builtin["name"], {"type": kind, **_LISTED.get(builtin["name"], {})}
        elif kind == "array" and (result.get("dynamic") or {}).get("type") in _SCALARS:
            yield (
                builtin["name"],
                {"type": "array", "items": {"type": result["dynamic"]["type"], "x-what": builtin["name"]}},
            )
