"""Replaces calls of simple functions by the returned terms, so that these elements are checked like literals.

A function is simple if it has one clause, no condition, and only variables as parameters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from tabard_sidecar.policy.loading.ast import Node, Rule, aliases, package_path, rules
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

_MAX_DEPTH = 3
"""Deepest nesting of calls that is replaced; OPA refuses recursion only after these checks."""
_MAX_TERMS = 10_000


@dataclass(frozen=True, slots=True)
class Function:
    """A simple function: its module, its parameters and the term that it returns."""

    module: Node
    parameters: tuple[str, ...]
    value: Node


Functions: TypeAlias = Mapping[tuple[str, ...], Function]
"""Simple functions by their path below ``data``."""


def simple_functions(modules: Iterable[Node]) -> Functions:
    """Return the simple functions of the modules."""
    clauses: Counter[tuple[str, ...]] = Counter()
    found: dict[tuple[str, ...], Function] = {}
    for module in modules:
        for rule in rules(module):
            path = package_path(module) + rule.path
            clauses[path] += 1
            function = _function(module, rule)
            if function is not None:
                found[path] = function
    return {path: function for path, function in found.items() if clauses[path] == 1}


def _function(module: Node, rule: Rule) -> Function | None:
    head = rule.node["head"]
    parameters = head.get("args") or ()
    if not parameters or "value" not in head or rule.node.get("else"):
        return None
    if any(parameter.get("type") != "var" for parameter in parameters) or not _is_unconditional(rule.node):
        return None
    return Function(module, tuple(parameter["value"] for parameter in parameters), head["value"])


def _is_unconditional(node: Node) -> bool:
    body = node.get("body") or []
    terms = body[0].get("terms") if len(body) == 1 else None
    return isinstance(terms, Mapping) and terms.get("type") == "boolean" and terms.get("value") is True


def inline(term: Node, module: Node, functions: Functions) -> Node:
    """Return ``term`` with its calls of simple functions replaced by the returned terms.

    A term that would grow beyond 10,000 terms is returned as it is: its value is checked when it is evaluated.

    Args:
        term: a term of ``module``.
        module: resolves imported names.
        functions: the functions that may be called, those of the module included.
    """
    try:
        return _Inliner(functions).inline(term, module, _MAX_DEPTH)
    except _TooLargeError:
        return term


class _TooLargeError(Exception):
    """The replaced term has too many parts."""


class _Inliner:
    """Replaces calls in one term, which may grow to a bounded number of terms."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._left = _MAX_TERMS

    def inline(self, term: Node, module: Node, depth: int) -> Node:
        """Return ``term`` with calls nested up to ``depth`` replaced.

        Raises:
            _TooLargeError: it would have too many terms.
        """
        self._count()
        kind: Json = term.get("type")
        value: Json = term.get("value")
        if kind == "array":
            return {**term, "value": [self.inline(item, module, depth) for item in value]}
        if kind == "object":
            pairs = [[self.inline(part, module, depth) for part in pair] for pair in value]
            return {**term, "value": pairs}
        if kind != "call" or depth == 0:
            return term
        called = self._functions.get(_callee(value[0], module))
        arguments = [self.inline(argument, module, depth - 1) for argument in value[1:]]
        if called is None or len(called.parameters) != len(arguments):
            return term
        returned = self.inline(called.value, called.module, depth - 1)
        replacements = dict(zip(called.parameters, arguments, strict=True))
        return _united(self._substitute(returned, replacements, term.get("location")))

    def _substitute(self, term: Node, replacements: Mapping[str, Node], location: Json) -> Node:
        """Return ``term`` with parameters replaced by arguments.

        Everything else gets the location of the call. Other variables lose their names, which aren't in scope at
        the caller.
        """
        self._count()
        kind: Json = term.get("type")
        value: Json = term.get("value")
        if kind == "var":
            return replacements.get(value, {"type": "var", "value": "?", "location": location})
        if kind == "array":
            value = [self._substitute(item, replacements, location) for item in value]
        elif kind == "object":
            value = [
                [
                    self._substitute(key, replacements, location),
                    self._substitute(item, replacements, location),
                ]
                for key, item in value
            ]
        elif kind == "call":
            value = [value[0], *(self._substitute(item, replacements, location) for item in value[1:])]
        return {**term, "value": value, "location": location}

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _TooLargeError


def _united(term: Node) -> Node:
    """Return the object that ``object.union`` makes of two that are written out and share no key; else the term itself."""
    value: Json = term.get("value")
    if term.get("type") != "call" or [part.get("value") for part in value[0]["value"]] != ["object", "union"]:
        return term
    sides = value[1:]
    if any(side.get("type") != "object" for side in sides):
        return term
    pairs = [pair for side in sides for pair in side["value"]]
    names = [key.get("value") for key, _ in pairs if key.get("type") == "string"]
    return {**term, "type": "object", "value": pairs} if len(set(names)) == len(pairs) else term


def _callee(called: Node, module: Node) -> tuple[str, ...]:
    """Return the path of a called function below ``data``."""
    head, *rest = (str(part.get("value")) for part in called["value"])
    if head == "data":
        return tuple(rest)
    imported = aliases(module).get(head)
    return (*imported[1:], *rest) if imported is not None else (*package_path(module), head, *rest)
