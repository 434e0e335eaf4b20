"""Finds rules whose conditions exclude each other, such as two operations, or a tool in an operation that has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tabard_sidecar.policy.loading.ast import Place, constant, place
from tabard_sidecar.policy.loading.program import Clause, Path, Program
from tabard_sidecar.policy.resources import ELEMENTS
from tabard_sidecar.policy.values import Json

_CALLS = frozenset({"authorize", "filter_tools"})
_ALL = _CALLS | {"delegate", "renew", "start_task"}
_ASKED: Mapping[str, frozenset[str]] = {
    "ask": _CALLS,
    "delegate": frozenset({"delegate"}),
    "grant": _CALLS,
    "renew": frozenset({"renew"}),
    "start": frozenset({"start_task"}),
}
"""Operations for which the rules of a name are asked, as in rego/tabard/decision.rego; all for the others."""
_HAVE: Mapping[Path, frozenset[str]] = {
    ("tool",): _CALLS | {"renew"},
    ("tool", "arguments"): frozenset({"authorize", "renew"}),
    ("request",): frozenset({"delegate", "start_task"}),
    ("request", "holder"): frozenset({"delegate"}),
}
"""Operations whose input has a part, as in pipeline/policy_input.py; all have the others."""
_EAGER = frozenset({None, "array", "call", "object", "ref", "set", "var"})
"""Types of terms, and expressions, that have no value if something in them has none; comprehensions have one."""
_EQUAL = frozenset({"eq", "equal"})
_MEMBER = "internal.member_2"
_TRIPLE = 3
_OPERATION: Path = ("operation",)


class Contradiction(NamedTuple):
    """Conditions of one clause that never hold together."""

    clause: Clause
    at: Place
    message: str
    next_step: str


def contradictions(program: Program) -> Iterator[Contradiction]:
    """Yield the conditions of the policy's clauses that exclude each other."""
    for clauses in program.clauses.values():
        for clause in clauses:
            if clause.source.own and clause.source.package[:1] != ("system",):
                node: Json = clause.rule.node
                while node:
                    yield from _Body(clause).check(node)
                    node = node.get("else")


class _Body:
    """The conditions of one body."""

    def __init__(self, clause: Clause) -> None:
        self._clause = clause
        contract = clause.source.package[:1] == ("policy",) and clause.rule.name in ELEMENTS
        self._operations = _ASKED.get(clause.rule.name, _ALL) if contract else _ALL
        self._names: dict[str, Path] = {}
        self._values: dict[Path, dict[tuple[str, Json], None]] = {}

    def check(self, node: Json) -> Iterator[Contradiction]:
        """Yield the first condition, key or value that excludes the conditions before it."""
        body = node.get("body") or []
        plain = [each for each in body if not each.get("negated") and not each.get("with")]
        head = [node["head"][part] for part in ("key", "value") if part in node["head"]]
        for expression in plain:
            self._name(expression.get("terms"))
        for expression in (*plain, *head):
            terms = expression.get("terms", expression)
            told = self._compare(terms) or self._need(terms)
            if told:
                at = place(expression, self._clause.rule.place)
                yield Contradiction(self._clause, at, *told)
                return

    def _name(self, terms: Json) -> None:
        """Remember a variable that stands for a part of the input."""
        if _called(terms) == "assign" and len(terms) == _TRIPLE and terms[1].get("type") == "var":
            path, whole = self._path(terms[2])
            if path is not None and whole:
                self._names[terms[1]["value"]] = path

    def _compare(self, terms: Json) -> tuple[str, str] | None:
        for path, found in self._equal(terms):
            known = self._values.get(path, found)
            self._values[path] = both = {value: None for value in known if value in found}
            shown = ".".join(("input", *path))
            if not both:
                one, other = (" or ".join(repr(value) for _, value in each) for each in (known, found))
                step = "Write one rule for each value, or use `in` with all of them"
                return f"{shown} is never {one} and {other} at once", step
            if path == _OPERATION:
                names = _ALL.intersection(value for _, value in both)
                if not names:
                    continue  # an operation that is unknown is told where values are followed
                left = self._operations & names
                if not left:
                    what = f"{shown} is never {' or '.join(sorted(map(repr, names)))} here"
                    step = (
                        f"Rules of this name and these parts of the input are for {_listed(self._operations)}"
                    )
                    return what, step
                self._operations = left
        return None

    def _equal(self, terms: Json) -> Iterator[tuple[Path, dict[tuple[str, Json], None]]]:
        """Yield the parts of the input that an expression compares with constants, and the constants."""
        name = _called(terms)
        if name not in _EQUAL | {_MEMBER} or len(terms) != _TRIPLE:
            return
        for one, other in ((terms[1], terms[2]), (terms[2], terms[1])):
            if name == _MEMBER and one is not terms[1]:
                return
            path, whole = self._path(one)
            listed = (
                other.get("value") if name == _MEMBER and other.get("type") in {"array", "set"} else [other]
            )
            values = [(each.get("type"), *constant(each)) for each in listed]
            scalars = all(ground and kind in {"boolean", "number", "string"} for kind, ground, _ in values)
            if path is not None and whole and values and scalars:
                yield path, {(kind, value): None for kind, _, value in values}

    def _need(self, terms: Json) -> tuple[str, str] | None:
        """Return the problem of a part of the input that none of the operations has that the body is about."""
        pending: list[Json] = [terms]
        while pending:
            node = pending.pop()
            if isinstance(node, list):
                pending += node
            elif isinstance(node, Mapping) and "domain" in node:
                pending.append(node["domain"])
            elif isinstance(node, Mapping) and node.get("type") in _EAGER:
                path, _ = self._path(node)
                for part, having in _HAVE.items():
                    if path is not None and path[: len(part)] == part:
                        if not self._operations & having:
                            shown = ".".join(("input", *part))
                            message = (
                                f"{shown} is there for {_listed(having)} only, and the rule is about others"
                            )
                            return message, f"It is about {_listed(self._operations)}: correct the operation"
                        self._operations &= having
                pending += [child for key, child in node.items() if key != "location"]
        return None

    def _path(self, term: Json) -> tuple[Path | None, bool]:
        """Return the path below the input that a term stands for, and whether it is constant to its end."""
        parts = term["value"] if term.get("type") == "ref" else [term]
        if not isinstance(parts, list) or not parts or parts[0].get("type") != "var":
            return None, False
        head = parts[0]["value"]
        imported: Path = self._clause.source.imports.get(head, (head,))
        if head in self._names:
            path = self._names[head]
        elif imported[0] == "input":
            path = imported[1:]
        else:
            return None, False
        for part in parts[1:]:
            if part.get("type") != "string":
                return path, False
            path = (*path, part["value"])
        return path, True


def _called(terms: Json) -> str:
    if not isinstance(terms, list) or not isinstance(terms[0].get("value"), list):
        return ""
    return ".".join(str(part.get("value")) for part in terms[0]["value"])


def _listed(operations: frozenset[str]) -> str:
    return ", ".join(sorted(operations))
