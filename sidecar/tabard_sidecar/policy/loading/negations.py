"""Warns of comparisons that hold under ``not`` because what they compare isn't there."""

from __future__ import annotations

from collections.abc import Iterator

from tabard_sidecar.policy.loading.ast import Node, Rule, place, rules
from tabard_sidecar.policy.problems import PolicyProblem, Severity
from tabard_sidecar.policy.values import Json

_ORDERS = frozenset({"lt", "lte", "gt", "gte"})
_RULES = frozenset({"grant", "start", "delegate", "renew"})


def check_negations(file: str, module: Node) -> Iterator[PolicyProblem]:
    """Yield a warning for each ``not m[input.x] < 10`` in a rule that gives something: without the key it holds."""
    for rule in rules(module):
        if rule.name in _RULES:
            yield from _of(file, rule)


def _of(file: str, rule: Rule) -> Iterator[PolicyProblem]:
    for expression in rule.node.get("body") or ():
        terms = expression.get("terms")
        if not expression.get("negated") or not isinstance(terms, list) or _operator(terms[0]) not in _ORDERS:
            continue
        if any(map(_looks_up, terms[1:])):
            at = place(expression, rule.place)
            message = "this negation also holds if the look-up finds nothing, and then the rule applies"
            step = "Take the value in a line of its own, `limit := m[key]`, and compare that"
            yield PolicyProblem(
                file, at.row, at.column, "undefined_under_not", message, step, Severity.WARNING
            )


def _operator(term: Json) -> str:
    value = term.get("value") if isinstance(term, dict) else None
    return str(value[0].get("value")) if isinstance(value, list) and len(value) == 1 else ""


def _looks_up(term: Json) -> bool:
    """Tell whether a term has a part that is looked up under a key that another term computes."""
    if isinstance(term, list):
        return any(map(_looks_up, term))
    if not isinstance(term, dict):
        return False
    value = term.get("value")
    if term.get("type") == "ref" and isinstance(value, list):
        return any(isinstance(part, dict) and part.get("type") in {"ref", "call"} for part in value[1:])
    return isinstance(value, list) and any(map(_looks_up, value))
