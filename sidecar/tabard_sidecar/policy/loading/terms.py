"""Evaluates the terms of rules on shapes: literals, references, comprehensions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from math import prod

from tabard_sidecar.policy.loading import operators, taking_apart
from tabard_sidecar.policy.loading.ast import Node, constant
from tabard_sidecar.policy.loading.bounds import (
    ANY,
    Allowance,
    Fields,
    Fits,
    Listed,
    Many,
    Origin,
    SetValue,
    Shape,
    TooLargeError,
    Unknown,
    Values,
)
from tabard_sidecar.policy.loading.finding import (
    Frame,
    missing_key,
    misspelt_key,
    read_before_start,
    require_written,
    unlisted_data,
)
from tabard_sidecar.policy.loading.program import RULE_ROOTS, Path, Program, differing
from tabard_sidecar.policy.loading.shapes import (
    common_origin,
    field_of,
    fits,
    is_literal,
    items_of,
    keys_of,
    literal_keys,
    union,
)
from tabard_sidecar.policy.values import Json

_MAX_TERMS = 2_000_000
_MAX_CLAUSE_TERMS = 100_000
_TERMS_AT_ONCE = 500
"""After so many terms the other threads of the process have their turn."""
_PAUSE_SECONDS = 1e-4
_MAX_LISTS = 1000
_MAX_PARTS = 100_000
"""Most parts of a literal. Rules that name each other make it grow with the power of their number."""
_PARTS_OF_A_TERM = 10
_MAX_KEYS = 1000
"""Most keys from data that are looked up one by one."""
_HIDDEN = Origin(reported=False)
SCALARS = frozenset({"boolean", "null", "number", "string"})
_COMPREHENSIONS = frozenset({"arraycomprehension", "objectcomprehension", "setcomprehension"})


class Terms:
    """Evaluates terms; :class:`.flow.Flow` adds rules, functions and bodies.

    Attributes:
        program: the policy.
        touched: paths of data that rules read.
        reads_of_tool: how often something was read that the input has for some tools only.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.touched: set[Path] = set()
        self._named: set[Json] = set()  # keys of written tables that are read by name, such as a default's
        self._data = None if program.data is None else Values((program.data,), allowance=Allowance())
        self._left = _MAX_TERMS
        self._left_of_clause = _MAX_CLAUSE_TERMS
        self.reads_of_tool = 0
        self._of_tool = differing(program)

    def rule(self, path: Path, frame: Frame) -> Shape:
        """Return the bound of a rule's value."""
        raise NotImplementedError

    def function(self, path: Path, arguments: list[Shape], frame: Frame) -> Shape:
        """Return the bound of what a function returns."""
        raise NotImplementedError

    def body(self, expressions: list[Json], frame: Frame) -> bool:
        """Evaluate a body; False if a test of types shows that it can't hold."""
        raise NotImplementedError

    def bind(self, pattern: Json, shape: Shape, frame: Frame) -> None:
        """Give the variables of a pattern their bounds."""
        taking_apart.check_pattern(pattern, shape, frame)
        for part, inner in taking_apart.parts_of(pattern, shape):
            if part.get("type") == "var":
                frame.variables[part["value"]] = inner
            elif part is not pattern:
                operators.compare("equal", self.term(part, frame), inner, frame)

    def equate(self, target: Json, shape: Shape, frame: Frame) -> None:
        """Bind a variable or a pattern with variables to a value, or compare a term with it."""
        if self.unbound(target, frame):
            self.bind(target, shape, frame)
            return
        written = self.term(target, frame)
        if target.get("type") in {"array", "object"} and not is_literal(written):
            self.bind(target, shape, frame)
        operators.compare("equal", shape, written, frame)

    def unbound(self, term: Json, frame: Frame) -> bool:
        """Tell whether a term is a variable that has no bound by now, nor is the name of a rule or an import."""
        name = term.get("value")
        return (
            term.get("type") == "var"
            and frame.variables.get(name) is None
            and (name in frame.variables or not self._is_name(name, frame))
        )

    def _is_name(self, name: str, frame: Frame) -> bool:
        source = frame.source
        return (
            name in {"data", "input"} or name in source.imports or self.program.has((*source.package, name))
        )

    def term(self, node: Json, frame: Frame) -> Shape:
        """Return the bound of a term, and find what never matches in it."""
        self.pay()
        frame.move(node)
        kind, value = node.get("type"), node.get("value")
        if kind in SCALARS:
            found: Shape = Values((constant(node)[1],), self._origin(frame))
        elif kind in {"var", "ref"}:
            found = self._reference(value if kind == "ref" else [node], frame)
        elif kind in {"array", "set"}:
            found = self._list(kind, [self.term(item, frame) for item in value], frame)
        elif kind == "object":
            found = self._object(value, frame)
        elif kind == "call":
            found = operators.call(self, value, frame)
        elif kind in _COMPREHENSIONS:
            found = self._comprehension(kind, value, frame)
        else:
            self._parts(node, frame)
            found = ANY
        return found

    def new_clause(self) -> None:
        """Begin with the next clause, which has a budget of its own within that of the whole policy."""
        self._left_of_clause = _MAX_CLAUSE_TERMS

    def pay(self) -> None:
        """Take a term from the budget.

        Raises:
            TooLargeError: it is used up.
        """
        self._left -= 1
        self._left_of_clause -= 1
        if self._left % _TERMS_AT_ONCE == 0:
            time.sleep(_PAUSE_SECONDS)
        if self._left < 0:
            raise TooLargeError(f"makes more than {_MAX_TERMS} steps of the policy")
        if self._left_of_clause < 0:
            raise TooLargeError(f"takes more than {_MAX_CLAUSE_TERMS} steps")

    def _comprehension(self, kind: str, value: Json, frame: Frame) -> Shape:
        inner = frame.inner()
        self.body(value["body"], inner)
        shapes = [self.term(value[part], inner) for part in ("key", "value", "term") if part in value]
        return Many(kind.removesuffix("comprehension"), shapes[-1], shapes[0] if "key" in value else ANY)

    def _origin(self, frame: Frame) -> Origin:
        return Origin() if frame.source.own and not frame.calls else _HIDDEN

    def _parts(self, node: Json, frame: Frame) -> None:
        """Evaluate the terms within a node of another kind, such as a template string."""
        if isinstance(node, list):
            for child in node:
                self._parts(child, frame)
        elif isinstance(node, Mapping):
            for key, child in node.items():
                if key == "location":
                    continue
                if isinstance(child, Mapping) and "type" in child and "value" in child:
                    self.term(child, frame)
                else:
                    self._parts(child, frame)

    def _list(self, kind: str, shapes: list[Shape], frame: Frame) -> Shape:
        literals = [shape for shape in shapes if isinstance(shape, Values) and shape.origin is not None]
        if len(literals) < len(shapes) or prod(len(shape.items) for shape in literals) > _MAX_LISTS:
            return Listed(kind, tuple(shapes))
        found = [list(items) for items in product(*(shape.items for shape in literals))]
        values = [items if kind == "array" else SetValue(tuple(items)) for items in found]
        if not all(map(self._is_small, values)):
            return Listed(kind, tuple(shapes))
        return Values(tuple(values), common_origin(literals) or self._origin(frame))

    def _object(self, pairs: list[list[Json]], frame: Frame) -> Shape:
        keys = [self.term(key, frame) for key, _ in pairs]
        shapes = [self.term(item, frame) for _, item in pairs]
        written = [key for key in keys if is_literal(key) and isinstance(key.items[0], str)]
        if len(written) < len(pairs):
            return Many("object", union(shapes), union(keys))
        names = [key.items[0] for key in written]
        origin = common_origin(written) or self._origin(frame)
        literals = [shape for shape in shapes if is_literal(shape)]
        if len(literals) == len(shapes):
            whole = dict(zip(names, (shape.items[0] for shape in literals), strict=True))
            if self._is_small(whole):
                return Values((whole,), origin)
        return Fields(dict(zip(names, shapes, strict=True)), origin)

    def _is_small(self, value: Json) -> bool:
        """Tell whether a literal is small enough to be looked at as a whole. What is looked at is paid for."""
        parts = _parts(value)
        self._left -= parts // _PARTS_OF_A_TERM
        return parts <= _MAX_PARTS

    # References

    def _reference(self, parts: list[Json], frame: Frame) -> Shape:
        head, rest = parts[0], parts[1:]
        name = head["value"] if head.get("type") == "var" else None
        if name is None:
            return self._steps(self.term(head, frame), rest, frame)
        if name in frame.variables:
            known = frame.variables[name]
            return self._steps(ANY if known is None else known, rest, frame)
        if self.program.has((*frame.source.package, name)):
            return self._below_data(frame.source.package, [_string(name, head), *rest], frame)
        base = frame.source.imports.get(name) or ((name,) if name in {"data", "input"} else None)
        if base is None or self._is_replaced(base, rest, frame):
            return self._steps(ANY, rest, frame)
        whole = [*(_string(part, head) for part in base[1:]), *rest]
        if base[0] != "input":
            return self._below_data((), whole, frame)
        first = whole[0] if whole else None
        if first is None or first.get("type") != "string" or first["value"] in self._of_tool:
            self.reads_of_tool += 1
        return self._steps(frame.input, whole, frame)

    def _is_replaced(self, base: Path, rest: list[Json], frame: Frame) -> bool:
        path = base
        for part in rest:
            if part.get("type") != "string":
                break
            path = (*path, part["value"])
        return any(path[: len(target)] == target or target[: len(path)] == path for target in frame.replaced)

    def _below_data(self, base: Path, parts: list[Json], frame: Frame) -> Shape:
        path = base
        found: tuple[Path, int] | None = None
        for index, part in enumerate(parts):
            if part.get("type") != "string":
                break
            path = (*path, part["value"])
            if self.program.has(path):
                found = path, index + 1
            if path in self.program.clauses:
                break
        if found is not None:
            if found[0][:-1] in self.program.branches:
                self._named.add(found[0][-1])
            return self._steps(self.rule(found[0], frame), parts[found[1] :], frame)
        if self._data is None or not path or path[0] in RULE_ROOTS:
            return self._steps(ANY, parts, frame)
        return self._steps(self._data, parts, frame)

    def _steps(self, shape: Shape, parts: list[Json], frame: Frame) -> Shape:
        for part in parts:
            frame.move(part)
            if self.unbound(part, frame):
                operators.require_collection(shape, frame)
                self.bind(part, self.keys(shape), frame)
                shape = items_of(shape)
            else:
                shape = self.under(shape, self.term(part, frame), frame)
        return shape

    def keys(self, shape: Shape) -> Shape:
        """Return the bound of a collection's keys. Those of data that may have others, too, aren't bound by their names."""
        found = keys_of(shape)
        if isinstance(found, Values) and found.named and self.program.may_have_more(found.path):
            return replace(found, named=False, path=())
        return found

    def under(self, shape: Shape, key: Shape, frame: Frame) -> Shape:
        """Return the bound of what stands under a key, and find keys that can't be there."""
        operators.require_key(shape, key, frame)
        require_written(shape, key, frame)
        if isinstance(key, Fits):
            for name, origin in literal_keys(shape):
                if not fits(name, key) and not (isinstance(name, str) and name in self._named):
                    frame.sink.never(name, key, origin, frame)
        if not isinstance(key, Values):
            return items_of(shape)
        if key.origin is None:
            return self._under_data(shape, key, frame)
        found = [self._field(shape, item, key.origin, frame) for item in key.items]
        return union(ANY if one is None else one for one in found)

    def _under_data(self, shape: Shape, key: Values, frame: Frame) -> Shape:
        """Return the bound of what stands under keys that data holds."""
        if len(key.items) > _MAX_KEYS:
            if isinstance(shape, Values) and shape.origin is None:
                self.touched.add((*shape.path, "*"))
            return items_of(shape)
        found = [self._field(shape, item, None, frame) for item in key.items]
        present = [one for one in found if one is not None]
        return union(present) if present else items_of(shape)

    def _field(self, shape: Shape, key: Json, origin: Origin | None, frame: Frame) -> Shape | None:
        found = field_of(shape, key)
        _require_started(found, frame)
        if isinstance(shape, Values) and shape.origin is None:
            path = (*shape.path, str(key))
            self.touched.add(path)
            if self.program.is_optional(path):
                return ANY
            if isinstance(found, Unknown) and found.unlisted and origin is not None:
                unlisted_data(found, frame)
            if (
                found is None
                and not shape.path
                and origin is not None
                and not frame.calls
                and key in RULE_ROOTS
            ):
                return ANY
        if isinstance(shape, Unknown) and shape.unlisted and origin is not None:
            unlisted_data(shape, frame)
        if found is not None and isinstance(key, str) and isinstance(shape, Values | Fields) and shape.origin:
            self._named.add(key)
        if isinstance(found, Fits) and origin is not None and found.schemas[0].get("x-chosen"):
            return replace(found, chosen_by=origin)
        if found is None and origin is not None:
            missing_key(shape, key, origin, frame)
        elif isinstance(key, str) and isinstance(shape, Values) and shape.origin is not None:
            misspelt_key(shape, key, frame)
        return found


def _require_started(found: Shape | None, frame: Frame) -> None:
    """Find a read of facts by a rule that starts a task."""
    if isinstance(found, Fits) and any(schema.get("x-unstarted") for schema in found.schemas):
        read_before_start(frame)


def _string(text: str, near: Node) -> Node:
    return {"type": "string", "value": text, "location": near.get("location")}


def _parts(value: Json) -> int:
    """Return how many parts a literal has, at any depth; at most one more than are looked at."""
    found, pending = 0, [value]
    while pending and found <= _MAX_PARTS:
        one = pending.pop()
        inner = (
            one.members if isinstance(one, SetValue) else list(one.values()) if isinstance(one, dict) else one
        )
        found += len(inner)
        pending += [each for each in inner if isinstance(each, dict | list | SetValue)]
    return found
