"""Warns of rules that a missing value prevents: under ``not``, a call of a function with it is undefined, not true."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tabard_sidecar.policy.loading.ast import Node, Rule, aliases, place, rules
from tabard_sidecar.policy.loading.offered import Tool
from tabard_sidecar.policy.problems import PolicyProblem, Severity
from tabard_sidecar.policy.values import Json

_RULES = frozenset({"deny", "ask"})
# OPA compares these as it looks them up: undefined under `not` holds there.
_EQUALITIES = frozenset({"eq", "equal"})
_FACTS = ("data", "tabard", "lib", "facts")
_ARGUMENTS = ("input", "tool", "arguments")


def check_negations(file: str, module: Node, required: frozenset[str]) -> Iterator[PolicyProblem]:
    """Yield a warning for each ``not m[input.x] < 10`` in a rule that denies or asks: without the key it doesn't.

    In other rules it warns of facts that a helper names which isn't defined for every call.
    ``required`` has the names of arguments that are never missing.
    """
    conditional = conditional_rules(module)
    for rule in rules(module):
        if rule.name in _RULES:
            yield from _of(file, rule, required)
        else:
            yield from _of_facts(file, rule, conditional, aliases(module))


def conditional_rules(module: Node) -> frozenset[str]:
    """Return the names of values that the module's rules define under conditions only, without a default."""
    found: dict[str, bool] = {}
    for rule in rules(module):
        head = rule.node["head"]
        always = bool(rule.node.get("default") or head.get("args") or head.get("key")) or not _has_conditions(
            rule.node
        )
        found[rule.name] = found.get(rule.name, True) and not always
    return frozenset(name for name, only in found.items() if only and name.startswith("_"))


def _has_conditions(node: Node) -> bool:
    """Tell whether a rule and each of its ``else`` has a body that can fail."""
    body = node.get("body") or []
    terms = body[0].get("terms") if body else None
    if terms is None or (isinstance(terms, dict) and terms.get("value") is True):
        return False
    other = node.get("else")
    return other is None or _has_conditions(other)


def _of_facts(
    file: str, rule: Rule, conditional: frozenset[str], imported: Mapping[str, tuple[str, ...]]
) -> Iterator[PolicyProblem]:
    """Yield a warning for each ``not facts.has("done", _key)`` with a helper that isn't defined for every call."""
    body = rule.node.get("body") or ()
    present = {name for each in body if not each.get("negated") for name in _names(each.get("terms"))}
    for expression in body:
        terms = expression.get("terms")
        if not (expression.get("negated") and isinstance(terms, list)):
            continue
        function = terms[0].get("value") if isinstance(terms[0], dict) else None
        if not (isinstance(function, list) and imported.get(function[0].get("value")) == _FACTS):
            continue
        named = {term["value"] for term in terms[1:] if term.get("type") == "var"}
        for name in sorted((conditional & named) - present):
            at = place(expression, rule.place)
            holds = "nothing is granted" if rule.name == "grant" else f"{rule.name} doesn't hold"
            message = f"this negation doesn't hold where {name} isn't defined, and then {holds}"
            step = f"Give {name} a default, or negate a helper that has the call as its condition"
            yield PolicyProblem(
                file, at.row, at.column, "undefined_under_not", message, step, Severity.WARNING
            )


def _names(term: Json) -> Iterator[str]:
    """Yield the names of variables that a term needs; those in a comprehension leave it empty."""
    for one in _inside(term, "var"):
        yield str(one["value"])


def required_arguments(tools: Iterable[Tool] | None) -> frozenset[str]:
    """Return the names of arguments that each tool requires which has them."""
    listed: set[str] = set()
    optional: set[str] = set()
    for tool in tools or ():
        if isinstance(tool.schema, dict):
            names = set(tool.schema.get("properties") or ())
            listed |= names
            optional |= names.difference(tool.schema.get("required") or ())
    return frozenset(listed - optional)


def _of(file: str, rule: Rule, required: frozenset[str]) -> Iterator[PolicyProblem]:
    body = rule.node.get("body") or ()
    stated = [each.get("terms") for each in body if not each.get("negated")]
    present = {_text(reference) for terms in stated for reference in _references(terms)}
    for expression in body:
        if not expression.get("negated"):
            continue
        used = (reference for call in _calls(expression.get("terms")) for reference in _references(call))
        if any(
            _may_be_missing(reference, required) and _text(reference) not in present for reference in used
        ):
            at = place(expression, rule.place)
            outcome = "nothing is denied" if rule.name == "deny" else "no one is asked"
            message = f"this negation doesn't hold if a value that it uses isn't there, and then {outcome}"
            step = 'Say what counts without it, such as `object.get(input.tool.arguments, "path", "")`'
            yield PolicyProblem(
                file, at.row, at.column, "undefined_under_not", message, step, Severity.WARNING
            )


def _calls(terms: Json) -> Iterator[list[Json]]:
    """Yield the operands of each call of a function in an expression."""
    if isinstance(terms, list):
        function = terms[0].get("value") if isinstance(terms[0], dict) else None
        if not (isinstance(function, list) and function[0].get("value") in _EQUALITIES):
            yield terms[1:]
            return
    for term in _inside(terms, "call"):
        yield term["value"][1:]


def _references(term: Json) -> Iterator[list[Json]]:
    """Yield the parts of each reference within a term."""
    for reference in _inside(term, "ref"):
        yield reference["value"]


def _inside(term: Json, kind: str) -> Iterator[dict[str, Json]]:
    """Yield terms of a kind, outermost first; what is undefined in a comprehension leaves it empty, so none of there."""
    if isinstance(term, list):
        for part in term:
            yield from _inside(part, kind)
    elif isinstance(term, dict) and not str(term.get("type")).endswith("comprehension"):
        if term.get("type") == kind:
            yield term
        yield from _inside(term.get("value"), kind)


def _text(term: Json) -> str:
    """Return a text that is the same for the same term at another place."""
    if isinstance(term, list):
        return f"[{','.join(map(_text, term))}]"
    return f"{term.get('type')}:{_text(term.get('value'))}" if isinstance(term, dict) else repr(term)


def _may_be_missing(parts: list[Json], required: frozenset[str]) -> bool:
    """Tell whether a reference is to an optional argument of the call, or looks up a key that another term computes."""
    names = tuple(part.get("value") for part in parts)
    depth = len(_ARGUMENTS)
    if names[:depth] == _ARGUMENTS and len(names) > depth and names[depth] not in required:
        return True
    return any(part.get("type") in {"ref", "call"} for part in parts[1:])
