"""Holds a whole policy for the checks that follow values through it: its rules by path, its data, the input's schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from tabard_sidecar.policy.loading.ast import Node, Rule, package_path, rules
from tabard_sidecar.policy.loading.ast import aliases as imports_of
from tabard_sidecar.policy.loading.bounds import Fits
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

Path = tuple[str, ...]
RULE_ROOTS = frozenset({"lib", "policy", "system", "tabard"})


@dataclass(frozen=True, slots=True)
class Source:
    """One module.

    Attributes:
        file: its name for messages; empty for the library.
        own: whether it is the policy's, whose problems are told.
    """

    file: str
    node: Node
    package: Path
    imports: Mapping[str, Path]
    own: bool


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of a rule, with the module that it stands in."""

    source: Source
    rule: Rule


@dataclass(frozen=True, slots=True)
class Program:
    """A policy with Tabard's library.

    Attributes:
        sources: the policy's own modules.
        clauses: every clause by the path of its rule below ``data``, up to the first part that isn't constant.
        data: base documents; ``None`` if they aren't known.
        input: bound of the input.
        tools: bound of the input by tool, for rules that name the tools they are about.
        record: bound of a decision record, the input of ``system.log``.
        started: bound of the input of rules that start a task.
        optional: paths of data that may be missing; ``*`` stands for any one key.
        branches: the constant keys that heads name below a rule, such as ``a`` of ``_limit.a := 1``, by its path.
    """

    sources: tuple[Source, ...]
    clauses: Mapping[Path, tuple[Clause, ...]]
    data: Mapping[str, Json] | None
    input: Fits
    tools: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    optional: frozenset[Path] = field(default=frozenset())
    branches: Mapping[Path, frozenset[str]] = field(default_factory=dict)
    record: Fits = field(default=Fits(({},)))
    started: Fits = field(default=Fits(({},)))

    def has(self, path: Path) -> bool:
        """Tell whether a rule, or the beginning of a rule's path below its package, is called so."""
        return path in self.clauses or path in self.branches

    def is_own(self, path: Path) -> bool:
        """Tell whether a path is that of the policy's own modules, and not of the library."""
        return any(path[: len(source.package)] == source.package for source in self.sources)

    def may_have_more(self, path: Path) -> bool:
        """Tell whether data at ``path`` may have other keys than it has by now."""
        return self.is_optional(path) or any(
            len(declared) == len(path) + 1 and _covers(declared[:-1], path) for declared in self.optional
        )

    def is_optional(self, path: Path) -> bool:
        """Tell whether data at ``path`` may be missing, itself or together with what holds it."""
        return any(_covers(declared, path) for declared in self.optional)


def _covers(declared: Path, path: Path) -> bool:
    return len(declared) <= len(path) and all(
        one in {"*", other} for one, other in zip(declared, path, strict=False)
    )


def build_program(
    modules: Mapping[str, Node],
    library: Mapping[str, Node],
    data: Mapping[str, Json] | None,
    input_schema: Mapping[str, Json],
    optional: frozenset[Path],
) -> Program:
    """Return the program of a policy's modules and Tabard's own."""
    own = tuple(_source(file, node, own=True) for file, node in modules.items())
    clauses: dict[Path, list[Clause]] = {}
    branches: dict[Path, set[str]] = {}
    for source in (*own, *(_source("", node, own=False) for node in library.values())):
        for rule in rules(source.node):
            path = source.package + _constant(rule.path)
            clauses.setdefault(path, []).append(Clause(source, rule))
            for end in range(len(source.package) + 1, len(path)):
                branches.setdefault(path[:end], set()).add(path[end])
    found = {path: tuple(group) for path, group in clauses.items()}
    named = {path: frozenset(names) for path, names in branches.items()}
    return Program(own, found, data, Fits((input_schema,)), optional=optional, branches=named)


def _source(file: str, node: Node, *, own: bool) -> Source:
    return Source(file, node, package_path(node), imports_of(node), own)


def input_of(program: Program, clause: Clause) -> Fits:
    """Return the bound of the input of a clause: if it names its tools or its operation, they alone count."""
    if clause.source.package[:1] == ("system",):
        return program.record
    body = clause.rule.node.get("body") or []
    if clause.rule.name == "start" or _named(body, ("input", "operation")) == {"start_task"}:
        return program.started
    names = named_tools(body)
    schemas = [program.tools[name] for name in names if name in program.tools]
    return Fits(tuple(schemas)) if schemas else program.input


def differing(program: Program) -> frozenset[str]:
    """Return the fields of the input whose bounds differ between tools."""
    (whole,) = program.input.schemas
    fields = whole.get("properties", {})
    return frozenset(
        name
        for schema in program.tools.values()
        for name, bound in schema["properties"].items()
        if bound is not fields.get(name)
    )


_COMPARISON = 3  # operator and two sides


def named_tools(body: list[Json]) -> set[str]:
    """Return the names with one of which ``input.tool.name`` has to be equal; empty if there is no such condition."""
    return _named(body, ("input", "tool", "name"))


def _named(body: list[Json], path: Path) -> set[str]:
    """Return the texts with one of which a part of the input has to be equal; empty if there is no such condition."""
    for expression in body:
        terms = expression.get("terms")
        plain = not expression.get("negated") and not expression.get("with") and isinstance(terms, list)
        if not plain or len(terms) != _COMPARISON:
            continue
        called = ".".join(str(part.get("value")) for part in terms[0]["value"])
        if called in {"equal", "eq"}:
            for one, other in ((terms[1], terms[2]), (terms[2], terms[1])):
                if _is_path(one, path) and other.get("type") == "string":
                    return {other["value"]}
        if (
            called == "internal.member_2"
            and _is_path(terms[1], path)
            and terms[2].get("type") in {"array", "set"}
        ):
            members = terms[2]["value"]
            if all(member.get("type") == "string" for member in members):
                return {member["value"] for member in members}
    return set()


def _is_path(term: Json, path: Path) -> bool:
    return term.get("type") == "ref" and [part.get("value") for part in term["value"]] == list(path)


def _constant(path: Path) -> Path:
    return path[: path.index("?")] if "?" in path else path
