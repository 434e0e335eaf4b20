"""Follows tests of a value's type, such as ``is_string(value)``."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from tabard_sidecar.policy.loading.bounds import Shape, Values
from tabard_sidecar.policy.loading.finding import Frame
from tabard_sidecar.policy.loading.shapes import kind_of, kinds
from tabard_sidecar.policy.values import Json

_TESTS = {f"is_{kind}": kind for kind in ("array", "boolean", "null", "number", "object", "set", "string")}
_PAIR = 2


class Flow(Protocol):
    """Evaluates terms on shapes."""

    def term(self, node: Json, frame: Frame) -> Shape:
        """Return the bound of a term."""
        ...


def narrow(terms: list[Json], frame: Frame) -> None:
    """Let a variable of data have only values of the type that a test asks for."""
    kind = _TESTS.get(_name(terms))
    if kind is None or len(terms) != _PAIR or terms[1].get("type") != "var":
        return
    name = str(terms[1]["value"])
    known = frame.variables.get(name)
    if isinstance(known, Values) and known.origin is None and len(kinds(known) or ()) > 1:
        items = tuple(item for item in known.items if kind_of(item) == kind)
        frame.variables[name] = replace(known, items=items, types=[], below={})


def tested(terms: list[Json]) -> str:
    """Return the type that a test of types asks for."""
    return _TESTS[_name(terms)]


def excludes(flow: Flow, terms: list[Json], frame: Frame, *, negated: bool) -> bool:
    """Tell whether an expression is a test of a type that the value can't pass."""
    kind = _TESTS.get(_name(terms))
    if kind is None or len(terms) != _PAIR:
        return False
    types = kinds(flow.term(terms[1], frame))
    if not types:
        return False
    return types == frozenset({kind}) if negated else kind not in types


def _name(terms: list[Json]) -> str:
    return ".".join(str(part.get("value")) for part in terms[0]["value"])
