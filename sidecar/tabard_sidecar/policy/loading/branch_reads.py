"""Warns of rules that another branch of an agent gets around, because it doesn't see the facts of the first one.

An agent makes new branches as it likes. So a grant mustn't need that a fact of a branch is absent, nor a deny that it is
there. Each read has a sign: whether more facts let the rule hold, or keep it from holding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import NamedTuple

from tabard_sidecar.policy.loading.ast import Place, constant, place
from tabard_sidecar.policy.loading.program import Clause, Path, Program
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

BRANCH_READ = "fact_of_branch"
"""Code of the warning."""
_FORBIDDING = frozenset({"ask", "deny"})
_GRANTING = frozenset({"delegate", "grant", "renew"})
_FACTS: Path = ("input", "task", "facts")
_LIBRARY: Path = ("data", "tabard", "lib", "facts")
_MAX_DEPTH = 8
_FALLING = {"lt": (-1, 1), "lte": (-1, 1), "gt": (1, -1), "gte": (1, -1), "minus": (1, -1)}
"""For calls in which a larger operand makes the condition less likely, or the value smaller: the sign of each."""
_PAIR = 2
_MOST = 100_000
"""Most calls, references and bodies of a policy that are followed; beyond them nothing is warned of."""


class BranchRead(NamedTuple):
    """A read of a branch's fact in a rule that another branch gets around."""

    clause: Clause
    at: Place
    message: str
    next_step: str


class _Bound(NamedTuple):
    """What a variable stands for: a term with the variables that it was bound among."""

    term: Json
    variables: dict[str, _Bound]


def branch_reads(program: Program, names: frozenset[str]) -> Iterator[BranchRead]:
    """Yield the reads of facts of branches that a rule of the contract mustn't rest on.

    Args:
        program: the policy.
        names: of facts that a grant notes in a branch.
    """
    budget = _Budget()
    for path, clauses in program.clauses.items() if names else ():
        if path[:1] != ("policy",) or path[2:3] == () or path[-1] not in _FORBIDDING | _GRANTING:
            continue
        unsafe = 1 if path[-1] in _FORBIDDING else -1
        for clause in clauses if clauses[0].source.own else ():
            reads = _Reads(program, names, budget)
            reads.clause(clause, 1, {}, 0)
            for name in sorted({name for name, sign in reads.found if sign == unsafe}):
                at = reads.found[name, unsafe] or clause.rule.place
                yield BranchRead(clause, at, *_words(path[-1], name))


def _words(rule: str, name: str) -> tuple[str, str]:
    held = "only where it was noted" if rule in _FORBIDDING else "where it isn't noted"
    message = f"{rule} holds {held}, and the fact {name!r} is of a branch: in another branch it is otherwise, and an agent makes branches as it likes"
    return message, "Note it without fact_scope, so that the whole task reads it"


@dataclass()
class _Budget:
    """Counts what may still be followed."""

    left: int = _MOST

    def take(self) -> bool:
        """Take one; False if there is none left."""
        self.left -= 1
        return self.left > 0


@dataclass()
class _Reads:
    """The facts of branches that a clause reads, by name and sign, with the place of the first read."""

    program: Program
    names: frozenset[str]
    budget: _Budget
    found: dict[tuple[str, int], Place | None] = field(default_factory=dict)
    _clause: Clause | None = None
    _seen: set[tuple[Path, int]] = field(default_factory=set)

    def clause(self, clause: Clause, sign: int, variables: dict[str, _Bound], depth: int) -> None:
        """Follow the conditions and the value of a clause."""
        outer, self._clause = self._clause, clause
        node: Json = clause.rule.node
        while node:
            bound = dict(variables)
            self._body(node.get("body") or [], sign, bound, depth)
            if depth:
                for part in ("key", "value"):
                    self._term(node["head"].get(part), sign, bound, depth)
            node = node.get("else")
        self._clause = outer

    def _body(self, body: list[Json], sign: int, variables: dict[str, _Bound], depth: int) -> None:
        for expression in body if self.budget.take() else ():
            terms = expression.get("terms")
            signed = -sign if expression.get("negated") else sign
            if isinstance(terms, list):
                self._call(terms, signed, variables, depth)
            elif "symbols" in terms:
                for symbol in terms["symbols"]:
                    self._term(symbol, signed, variables, depth)
            elif "domain" in terms:
                self._term(terms["domain"], -signed, variables, depth)
                self._body(terms["body"], signed, dict(variables), depth)
            else:
                self._term(terms, signed, variables, depth)

    def _call(self, terms: list[Json], sign: int, variables: dict[str, _Bound], depth: int) -> None:
        if not self.budget.take():
            return
        name, operands = _path(terms[0], self._clause), terms[1:]
        called = ".".join(name)
        if called.startswith("internal.member_"):
            for operand in operands[
                :-1
            ]:  # an element: what is asked of it doesn't depend on how many there are
                self._bind(operand, {}, variables)
        if called in {"assign", "eq"} and len(operands) == _PAIR:
            if self._bind(operands[0], operands[1], variables) or self._bind(
                operands[1], operands[0], variables
            ):
                return
            called = "equal"
        if name[: len(_LIBRARY)] == _LIBRARY:
            self._read(operands[0] if operands else {}, sign, variables, terms[0])
        elif called == "object.get" and _path(operands[0], self._clause) == _FACTS:
            self._read(operands[1], sign, variables, terms[0])
        elif (rule := self._rule(name)) is not None:
            self._helper(rule, operands, sign, variables, depth)
        else:
            for each, operand in zip(_signs(called, operands), operands, strict=False):
                self._term(operand, each * sign, variables, depth)

    def _bind(self, target: Json, value: Json, variables: dict[str, _Bound]) -> bool:
        """Remember what a variable without a value stands for."""
        name = target.get("value") if target.get("type") == "var" else None
        if (
            not isinstance(name, str)
            or name in variables
            or self._rule(_path(target, self._clause)) is not None
        ):
            return False
        variables[name] = _Bound(value, variables)
        return True

    def _term(self, term: Json, sign: int, variables: dict[str, _Bound], depth: int) -> None:
        if not isinstance(term, Mapping) or depth > _MAX_DEPTH:
            return
        kind, value = term.get("type"), term.get("value")
        if kind == "call" and isinstance(value, list):
            self._call(value, sign, variables, depth)
        elif kind in {"ref", "var"}:
            self._reference(term, sign, variables, depth)
        elif isinstance(value, Mapping) and "body" in value:
            inner = dict(variables)
            self._body(value["body"], sign, inner, depth)
            for part in ("key", "value", "term"):
                self._term(value.get(part), sign, inner, depth)
        elif isinstance(value, list):
            for item in value:
                for each in item if isinstance(item, list) else [item]:
                    self._term(each, sign, variables, depth)

    def _reference(self, term: Json, sign: int, variables: dict[str, _Bound], depth: int) -> None:
        if not self.budget.take():
            return
        parts = term["value"] if term.get("type") == "ref" else [term]
        head = parts[0]
        bound = variables.get(head.get("value")) if head.get("type") == "var" else None
        path = _path(term, self._clause)
        if bound is not None:
            self._term(bound.term, sign, bound.variables, depth + 1)
        elif path[: len(_FACTS)] == _FACTS:
            rest = parts[len(_FACTS) :] if head.get("value") == "input" else []
            name = {"type": "string", "value": path[len(_FACTS)]} if len(path) > len(_FACTS) else {}
            self._read(name or (rest[0] if rest else {}), sign, variables, term)
        elif (found := self._rule(path)) is not None:
            self._helper(found, [], sign, variables, depth)
        for part in parts[1:]:
            self._term(part, sign, variables, depth)

    def _read(self, name: Json, sign: int, variables: dict[str, _Bound], near: Json) -> None:
        """Note a read of a fact; one whose name is no constant may be of any."""
        bound = variables.get(name.get("value", "")) if name.get("type") == "var" else None
        known, text = constant(bound.term if bound is not None else name) if name else (False, None)
        read = {text} & self.names if known and isinstance(text, str) else self.names
        for one in read:
            at = place(near, self._clause.rule.place) if self._clause is not None else None
            self.found.setdefault((one, sign), at)

    def _helper(
        self, rule: Path, operands: list[Json], sign: int, variables: dict[str, _Bound], depth: int
    ) -> None:
        """Follow a helper of the policy, or of its library."""
        if depth >= _MAX_DEPTH or (not operands and (rule, sign) in self._seen):
            return
        self._seen.add((rule, sign))
        for clause in self.program.clauses.get(rule, ()):
            bound: dict[str, _Bound] = {}
            for parameter, operand in zip(clause.rule.node["head"].get("args") or [], operands, strict=False):
                if parameter.get("type") == "var":
                    bound[parameter["value"]] = _Bound(operand, variables)
            self.clause(clause, sign, bound, depth + 1)

    def _rule(self, path: Path) -> Path | None:
        """Return the path of the rule, below ``data``, that a reference means; ``None`` if it means none."""
        package = self._clause.source.package if self._clause is not None else ()
        for end in range(len(path), 0, -1):
            for whole in ((*package, *path[:end]), path[1:end] if path[0] == "data" else ()):
                if whole and whole in self.program.clauses:
                    return whole
        return None


def _path(term: Json, clause: Clause | None) -> Path:
    """Return the constant beginning of a reference, with its import resolved."""
    parts = term["value"] if term.get("type") == "ref" else [term]
    head = str(parts[0].get("value"))
    path: Path = clause.source.imports.get(head, (head,)) if clause is not None else (head,)
    for part in parts[1:]:
        if part.get("type") != "string":
            break
        path = (*path, part["value"])
    return path


def _signs(called: str, operands: list[Json]) -> tuple[int, ...]:
    """Return for each operand of a builtin whether more of it lets the condition hold, or makes the value larger."""
    if called in {"equal", "neq"}:
        return (-1 if any(map(_is_empty, operands)) != (called == "neq") else 1,) * len(operands)
    return _FALLING.get(called, (1,) * len(operands))


def _is_empty(term: Json) -> bool:
    known, value = constant(term)
    return known and value in (0, []) and value is not False
