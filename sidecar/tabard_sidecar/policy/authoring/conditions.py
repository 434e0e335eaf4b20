"""Tells of each condition of a clause whether it holds for an input, also of those after the first that doesn't.

Rego stops at the first condition that fails. So each condition is evaluated by itself, with the ones before it that bind its
variables. One whose variables have no values because an earlier condition fails can't be judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tabard_sidecar.policy.authoring.explaining import ExpressionError, Trial, Tried
from tabard_sidecar.policy.loading.ast import InputRef, Node, Place, Rule, aliases, nodes, place, refs, rules
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

_QUOTES = {'"', "`"}
_OPEN, _CLOSE = "([{", ")]}"
_MOST_VALUE = 200
_MISSING = "not defined"
_ROOTS = {"input", "data", "_"}


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a clause.

    Attributes:
        text: as it is written, in one line.
        at: file and line.
        holds: whether it holds; ``None`` if that can't be told, because a variable of it has no value.
        values: what it reads of the input, and of one that doesn't hold the module's own rules, with the values as JSON;
            long ones are cut.
        helper: of one that doesn't hold, how far the clauses came of the helpers that it uses.
    """

    text: str
    at: str
    holds: bool | None
    values: Mapping[str, str]
    helper: tuple[Tried, ...] = ()


@dataclass(frozen=True, slots=True)
class Module:
    """A module of a policy: its file, source and syntax tree."""

    file: str
    source: str
    tree: Node


def clause_at(module: Module, row: int) -> Rule | None:
    """Return the clause that begins in a line; ``None`` if none does."""
    return next((rule for rule in rules(module.tree) if rule.place.row == row), None)


def conditions(trial: Trial, module: Module, rule: Rule) -> tuple[Condition, ...]:
    """Return the conditions of a clause in their order."""
    body: Sequence[Node] = rule.node.get("body") or ()
    lines = module.source.splitlines()
    starts = [place(expression) for expression in body]
    if not body or _always(body):
        return ()
    names, inner = {**trial.names, **_names(module)}, trial
    document = json.loads(trial.document)
    found: list[Condition] = []
    binding: list[_Binding] = []
    for number, expression in enumerate(body):
        until = starts[number + 1] if number + 1 < len(starts) else None
        text = _text(lines, starts[number], until)
        helper: tuple[Tried, ...] = ()
        own = _Binding(text, tuple(_bound(expression)))
        holds = _holds(inner, names, binding, own)
        if holds is False and not binding:
            helper = _helper(inner, names, text)
        at = f"{module.file}:{starts[number].row}"
        values = dict(_values(expression, aliases(module.tree), starts[number], document))
        if holds is False:
            values |= _rule_values(inner, names, module, expression)
        found.append(Condition(" ".join(text.split()), at, holds, values, helper))
        if own.variables:
            binding.append(own)
    return tuple(found)


class _Binding(NamedTuple):
    """The text of a condition and the variables to which it gives values."""

    text: str
    variables: tuple[str, ...]


def _holds(
    trial: Trial, names: Mapping[str, str], binding: Sequence[_Binding], condition: _Binding
) -> bool | None:
    """Tell whether a condition holds with the ones before it that bind variables."""
    if binding and not _count(trial, names, binding):
        return None
    found = _count(trial, names, [*binding, condition])
    return None if found is None else found > 0


def _count(trial: Trial, names: Mapping[str, str], conditions: Sequence[_Binding]) -> int | None:
    """Return in how many ways conditions hold together; ``None`` if they can't be evaluated."""
    variables = dict.fromkeys(name for one in conditions for name in one.variables)
    # They are named in the result, because Rego refuses variables that nothing uses.
    shown = _shown(
        trial, names, f"count([[{', '.join(variables)}] | {'; '.join(one.text for one in conditions)}])"
    )
    return shown[0] if len(shown) == 1 and isinstance(shown[0], int) else None


def _shown(trial: Trial, names: Mapping[str, str], expression: str) -> tuple[Json, ...]:
    try:
        found = trial.with_names(names).show(expression)
    except ExpressionError:
        return ()
    return () if found.error else found.values


def _helper(trial: Trial, names: Mapping[str, str], text: str) -> tuple[Tried, ...]:
    try:
        return trial.with_names(names).show(text).tried
    except ExpressionError:
        return ()


def _names(module: Module) -> dict[str, str]:
    """Return what the conditions of a module call by a short name: its own rules and its imports."""
    package = ".".join(("data", *(str(part["value"]) for part in module.tree["package"]["path"][1:])))
    own = {rule.name: f"{package}.{rule.name}" for rule in rules(module.tree)}
    return own | {name: ".".join(path) for name, path in aliases(module.tree).items()}


def _always(body: Sequence[Node]) -> bool:
    """Tell whether a clause has no conditions: its body is the constant true, which has no place of its own."""
    terms = body[0].get("terms")
    return (
        len(body) == 1
        and isinstance(terms, dict)
        and terms.get("type") == "boolean"
        and terms.get("value") is True
    )


def _bound(expression: Node) -> Iterator[str]:
    """Yield the variables to which a condition gives values: an assignment, ``some``, or a unification."""
    terms = expression.get("terms")
    if isinstance(terms, dict):
        for symbol in terms.get("symbols") or ():
            # `some x in xs` is a call whose last operand is the collection.
            yield from _variables(symbol["value"][1:-1] if symbol.get("type") == "call" else symbol)
        return
    if not isinstance(terms, list) or not terms:
        return
    operator = terms[0].get("value")
    named = operator[-1].get("value") if isinstance(operator, list) and operator else ""
    if named == "assign":
        yield from _variables(terms[1])
    elif named == "eq":
        yield from _variables(terms[1:])


def _variables(term: Json) -> Iterator[str]:
    for node in nodes(term):
        name = node.get("value")
        if node.get("type") == "var" and isinstance(name, str) and name.isidentifier() and name not in _ROOTS:
            yield name


def _values(
    expression: Node, names: Mapping[str, tuple[str, ...]], at: Place, document: Json
) -> Iterator[tuple[str, str]]:
    for ref in refs(expression, names, at):
        if isinstance(ref, InputRef) and ref.path:
            value: Json = document
            for part in ref.path:
                value = value.get(part, ...) if isinstance(value, dict) else ...
            text = _MISSING if value is ... else json.dumps(value, ensure_ascii=False)
            yield ".".join(("input", *ref.path)), _cut(text)


def _rule_values(trial: Trial, names: Mapping[str, str], module: Module, expression: Node) -> dict[str, str]:
    """Return the values of the module's own rules that a condition names, if they have one."""
    single = {rule.name for rule in rules(module.tree) if rule.shape == "a single value"}
    named = dict.fromkeys(name for name in _variables(expression) if name in single)
    found = {name: _shown(trial, names, name) for name in named}
    return {name: _cut(json.dumps(value[0], ensure_ascii=False)) for name, value in found.items() if value}


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_VALUE else f"{text[:_MOST_VALUE]}…"


def _text(lines: Sequence[str], start: Place, until: Place | None) -> str:
    """Return the text of a condition: to the next one, or to the end of the body."""
    if until is not None:
        last = until.row - 1
        inside = [*lines[start.row - 1 : last], lines[last][: until.column - 1]]
    else:
        inside = [*lines[start.row - 1 :]]
    # The first line counts from the condition on; tabs are single columns.
    text = "\n".join([inside[0][start.column - 1 :], *inside[1:]]) if inside else ""
    return _until_end(text)


def _until_end(text: str) -> str:
    """Cut a condition at what ends it: a line's end, ``;`` or the body's brace. Comments are left out."""
    depth, kept, position = 0, [], 0
    while position < len(text):
        character = text[position]
        if character in _QUOTES:
            end = _string_end(text, position)
            kept.append(text[position:end])
            position = end
            continue
        if character == "#":
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
            continue
        depth += (character in _OPEN) - (character in _CLOSE)
        if depth < 0 or (depth == 0 and character in ";\n" and _complete(kept)):
            break
        kept.append(character)
        position += 1
    return "".join(kept).strip()


def _complete(kept: Sequence[str]) -> bool:
    """Tell whether an expression can end here: not after an operator."""
    text = "".join(kept).rstrip()
    return bool(text) and not text.endswith(
        ("==", "!=", "<", ">", "=", "+", "-", "*", "/", "%", "|", "&", ",")
    )


def _string_end(text: str, begin: int) -> int:
    quote, position = text[begin], begin + 1
    while position < len(text):
        if text[position] == "\\" and quote == '"':
            position += 2
            continue
        if text[position] == quote:
            return position + 1
        position += 1
    return len(text)
