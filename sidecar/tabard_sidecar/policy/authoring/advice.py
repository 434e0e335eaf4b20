"""Says what a rule that iterates over a collection could look up instead."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from tabard_sidecar.policy.authoring.curves import Cost
from tabard_sidecar.policy.authoring.growing import Collection
from tabard_sidecar.policy.loading.ast import Node, nodes, package_path, rules
from tabard_sidecar.policy.values import Json

_EQUAL = frozenset({"eq", "equal"})
_MEMBER = frozenset({"internal.member_2", "internal.member_3"})


class Clause(NamedTuple):
    """A clause of a rule: where it is, the rule's name, and its syntax tree."""

    file: str
    row: int
    rule: str
    node: Node


def clause_of(modules: Mapping[str, Node], sources: Mapping[str, str]) -> Callable[[str, int], Clause | None]:
    """Return what finds the clause in which a line of a module stands; ``None`` for other files."""
    found: dict[str, tuple[list[int], list[Clause]]] = {}
    for file, module in modules.items():
        package = ".".join(package_path(module))
        clauses = [
            Clause(file, rule.place.row, f"{package}.{rule.name}", rule.node) for rule in rules(module)
        ]
        clauses.sort(key=lambda clause: clause.row)
        found[file] = [clause.row for clause in clauses], clauses

    def clause(file: str, row: int) -> Clause | None:
        if file not in sources or file not in found:
            return None
        begins, clauses = found[file]
        place = bisect_right(begins, row) - 1
        return clauses[place] if place >= 0 else None

    return clause


def advice(collection: Collection, cost: Cost, clause: Clause) -> str:
    """Return what to write in place of a condition that goes through a collection."""
    if collection.root == "input":
        return _about_argument(collection, cost)
    searched = None if cost.key.inside else _searched(clause.node, cost)
    if searched is None:
        return _about_data(collection, cost)
    field, wanted = searched
    if field:
        return (
            f"Make {field} the key of {collection}, and look up the one entry: {_at(collection, wanted)} "
            f"in place of a search for {field} == {wanted}"
        )
    return f"Make what {collection} lists the keys of an object, and look up: {_at(collection, wanted)}"


def _about_argument(collection: Collection, cost: Cost) -> str:
    if cost.degree == 1:
        return "The catalogue can bound it: maxItems or maxProperties of the tool's inputSchema"
    return (
        f"Work out once what is looked for, as a set or as the keys of an object ({{… | some one in {collection}}}), "
        "and look up in that"
    )


def _about_data(collection: Collection, cost: Cost) -> str:
    if cost.key.inside:
        return f"Give the function an object with the entries of {collection} as its keys: it looks those up"
    if cost.by_time:
        return (
            f"Make what is searched in {collection} the keys of an object, and look up one of them; "
            "what needs all entries, work out when the data is written"
        )
    if cost.degree > 1:
        return f"Put what belongs together into one entry of {collection}, or add an object with the key that is searched"
    return f"Make what is searched the key of {collection}, or work it out when the data is written"


def _at(collection: Collection, wanted: str) -> str:
    return f"{collection}[{wanted}]"


def _searched(clause: Node, cost: Cost) -> tuple[str, str] | None:
    """Return the field that is compared with a value, and the value, both as written; no field if entries are compared."""
    here = [one for one in nodes(clause) if _row(one) == cost.key.row]
    if cost.by_time:
        for call in _calls(here, _MEMBER):
            wanted = _written(call[-2])
            if wanted:
                return "", wanted
    names = {symbol for one in here for symbol in _declared(one)}
    for left, right in _comparisons(clause):
        for entry, other in ((left, right), (right, left)):
            field = _field(entry, names, at_row=_row(entry) == cost.key.row)
            wanted = _written(other)
            if field is not None and wanted and not names & set(_variables(other)):
                return field, wanted
    return None


def _declared(node: Node) -> Iterator[str]:
    """Yield the variable to which ``some x in xs`` or ``x := xs[_]`` gives the entries."""
    for symbol in node.get("symbols") or ():
        value = symbol.get("value")
        if symbol.get("type") == "call" and isinstance(value, list):
            entry = value[-2]
            if entry.get("type") == "var":
                yield str(entry["value"])
    terms = node.get("terms")
    if isinstance(terms, list) and _name(terms[0]) == "assign" and terms[1].get("type") == "var":
        yield str(terms[1]["value"])


def _comparisons(clause: Node) -> Iterator[tuple[Node, Node]]:
    for call in _calls(nodes(clause), _EQUAL):
        if len(call) == 3:  # noqa: PLR2004 - an operator and two operands
            yield call[1], call[2]


def _calls(found: Iterator[Node] | list[Node], operators: frozenset[str]) -> Iterator[list[Node]]:
    for one in found:
        terms = (
            one.get("terms") if "terms" in one else one.get("value") if one.get("type") == "call" else None
        )
        if isinstance(terms, list) and terms and _name(terms[0]) in operators:
            yield terms


def _name(term: Json) -> str:
    value = term.get("value") if isinstance(term, dict) else None
    if isinstance(value, list):
        return ".".join(str(part.get("value")) for part in value)
    return str(value)


def _field(term: Node, names: set[str], *, at_row: bool) -> str | None:
    """Return the constant path below an entry, as it is written; ``None`` if the term is no part of one."""
    value = term.get("value")
    if term.get("type") == "var":
        return "" if value in names else None
    if term.get("type") != "ref" or not isinstance(value, list):
        return None
    if value[0].get("value") in names:
        rest = value[1:]
    elif at_row and value[0].get("value") == "data":
        places = [number for number, part in enumerate(value) if number and part.get("type") == "var"]
        if not places:
            return None
        rest = value[places[-1] + 1 :]
    else:
        return None
    return ".".join(str(part["value"]) for part in rest) if all(map(_is_text, rest)) else None


def _is_text(part: Node) -> bool:
    return part.get("type") == "string"


def _variables(term: Node) -> Iterator[str]:
    for one in nodes(term):
        if one.get("type") == "var":
            yield str(one.get("value"))


def _written(term: Node) -> str:
    """Return a name, a reference or a constant as it is written; empty for anything else."""
    kind, value = term.get("type"), term.get("value")
    if kind == "var":
        return str(value)
    if kind in {"string", "number", "boolean"}:
        return json.dumps(value, ensure_ascii=False)
    if kind != "ref" or not isinstance(value, list) or value[0].get("type") != "var":
        return ""
    text = str(value[0]["value"])
    for part in value[1:]:
        inner = part.get("value")
        if _is_text(part) and str(inner).isidentifier():
            text += f".{inner}"
        else:
            shown = _written(part)
            if not shown:
                return ""
            text += f"[{shown}]"
    return text


def _row(node: Node) -> int:
    location = node.get("location")
    return int(location.get("row", 0)) if isinstance(location, dict) else 0
