"""Finds the rules of Tabard's library that a policy reaches: no other is compiled with it.

The library's own references are constant, so what its rules reach is known exactly
(tests/unit/policy/loading/test_reached.py). A policy's reference that isn't constant reaches every rule that it may mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from tabard_sidecar.policy.loading.ast import DataRef, Node, aliases, nodes, place, refs, rules
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

_LIBRARY = ("tabard", "lib")


class _Name(NamedTuple):
    """A rule of a package, or all of its rules, or the package without any rule."""

    package: str
    rule: str


_ALL = "*"
_NONE = ""


@dataclass(frozen=True, slots=True)
class ReachedModule:
    """A module of the library: parsed whole, and its source with empty lines in place of rules that aren't reached."""

    module: Node
    source: str


def reached(
    modules: Iterable[Node], library: Mapping[str, str], parse: Callable[[str, str], Node | None]
) -> dict[str, ReachedModule]:
    """Return the modules of the library, by file, of which modules reach a rule directly or through each other.

    A reference that may mean any rule, or one that doesn't exist, reaches them all; the checks then name the nearest.

    Args:
        modules: the policy's.
        library: sources of the library by file, each package in a folder of its name.
        parse: parses a file; ``None`` if it can't.
    """
    files = {file.rsplit("/", 2)[-2]: file for file in library}
    parsed: dict[str, Node] = {}
    clauses: dict[str, dict[str, list[Node]]] = {}
    kept: dict[str, set[str]] = {}
    pending = [name for module in modules for name in _named(module)]
    while pending:
        package, rule = pending.pop()
        if package not in files:
            pending += [_Name(each, _ALL) for each in files if kept.get(each, set()) < {_ALL}]
            continue
        if package not in parsed:
            file = files[package]
            module = parse(file, library[file])
            parsed[package] = module if module is not None else {}
            clauses[package] = _clauses(parsed[package])
            kept[package] = set()
        known = clauses[package]
        wanted = [] if rule == _NONE else [rule] if rule in known else list(known)
        for name in wanted:
            if name not in kept[package]:
                kept[package].add(name)
                pending += _reached_by(package, parsed[package], known, known[name])
    return {
        files[package]: ReachedModule(module, _only(library[files[package]], module, kept[package]))
        for package, module in parsed.items()
        if module
    }


def _named(module: Node) -> Iterator[_Name]:
    """Yield what a policy's module refers to."""
    names, at = aliases(module), place(module["package"])
    for ref in refs(module.get("imports") or [], {}, at):
        # What an import makes of it stands in the rules.
        yield from _of_library(ref, package_only=_NONE)
    for ref in refs(module.get("rules") or [], names, at):
        yield from _of_library(ref, package_only=_ALL)


def _of_library(ref: object, *, package_only: str) -> Iterator[_Name]:
    depth = len(_LIBRARY)
    if isinstance(ref, DataRef) and ref.path[:depth] == _LIBRARY[: len(ref.path)]:
        package = ref.path[depth] if len(ref.path) > depth else ""
        yield _Name(package, ref.path[depth + 1] if len(ref.path) > depth + 1 else package_only)


def _reached_by(
    package: str, module: Node, known: Mapping[str, list[Node]], clauses: list[Node]
) -> Iterator[_Name]:
    """Yield what the clauses of a rule of the library refer to: in its own package by any variable of that name."""
    for name in {variable for clause in clauses for variable in _variables(clause)} & known.keys():
        yield _Name(package, name)
    for ref in refs(clauses, aliases(module), place(module["package"])):
        yield from _of_library(ref, package_only=_ALL)


def _variables(node: Json) -> Iterator[str]:
    for term in nodes(node):
        if term.get("type") == "var" and isinstance(term.get("value"), str):
            yield term["value"]


def _clauses(module: Node) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for rule in rules(module):
        found.setdefault(rule.name, []).append(rule.node)
    return found


def _only(source: str, module: Node, kept: set[str]) -> str:
    """Return a source with empty lines in place of other rules, with the comments above them, and of imports for them."""
    lines = source.split("\n")
    clauses = sorted(((rule.place.row - 1, rule) for rule in rules(module)), key=lambda one: one[0])
    starts = [_comment_above(lines, row) for row, _ in clauses]
    used: set[str] = set()
    for (_, rule), first, last in zip(clauses, starts, [*starts[1:], len(lines)], strict=True):
        if rule.name in kept:
            used |= set(_variables(rule.node))
        else:
            lines[first:last] = [""] * (last - first)
    for statement in module.get("imports") or ():
        path = statement["path"]["value"]
        if str(statement.get("alias") or path[-1]["value"]) not in used:
            lines[place(statement).row - 1] = ""
    return "\n".join(lines)


def _comment_above(lines: list[str], row: int) -> int:
    """Return the first line of the comment right above a line, or the line itself."""
    while row > 0 and lines[row - 1].startswith("#"):
        row -= 1
    return row
