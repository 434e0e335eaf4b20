"""Finds packages, references and rules in OPA's syntax tree (as JSON, with locations)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

Node: TypeAlias = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, both from 1."""

    row: int
    column: int


@dataclass(frozen=True, slots=True)
class DataRef:
    """A reference below ``data``: its leading constants, and whether it consists of these only."""

    path: tuple[str, ...]
    complete: bool
    place: Place


@dataclass(frozen=True, slots=True)
class InputRef:
    """A reference below ``input``: its leading constants."""

    path: tuple[str, ...]
    place: Place


def package_path(module: Node) -> tuple[str, ...]:
    """Return the package without ``data``; a part that isn't a constant string is ``?``."""
    return tuple(
        part["value"] if part.get("type") == "string" else "?" for part in module["package"]["path"][1:]
    )


def place(node: Json, fallback: Place | None = None) -> Place:
    """Return the place of a node."""
    location = node.get("location") if isinstance(node, dict) else None
    if isinstance(location, dict):
        return Place(int(location.get("row", 0)), int(location.get("col", 0)))
    return fallback or Place(0, 0)


def aliases(module: Node) -> dict[str, tuple[str, ...]]:
    """Return the path that each imported name refers to, beginning with ``data`` or ``input``."""
    found: dict[str, tuple[str, ...]] = {}
    for statement in module.get("imports") or ():
        path = tuple(str(part["value"]) for part in statement["path"]["value"])
        if path and path[0] in {"data", "input"}:
            found[statement.get("alias") or path[-1]] = path
    return found


def refs(node: Json, names: Mapping[str, tuple[str, ...]], at: Place) -> Iterator[DataRef | InputRef]:
    """Yield every reference to ``data`` or ``input`` below ``node``, imports resolved, in the order of the source."""
    heads = {"data", "input", *names}
    near: Node = {"location": {"row": at.row, "col": at.column}}
    pending: list[tuple[Json, Node]] = [(node, near)]
    while pending:
        node, near = pending.pop()
        if isinstance(node, list):
            pending += [(child, near) for child in reversed(node)]
            continue
        if not isinstance(node, dict):
            continue
        near = node if "location" in node else near
        kind, value = node.get("type"), node.get("value")
        if kind in {"ref", "var"}:
            parts = value if isinstance(value, list) else [node]
            head = parts[0]
            if not _is_var(head):
                # The first term of a reference may contain references: [input][0], object.get(data, …).x.
                pending.append((parts, near))
                continue
            pending.append((parts[1:], near))
            if head["value"] in heads:
                yield _resolved(parts, names, place(near))
            continue
        inner = [child for key, child in node.items() if key not in _NO_TERMS]
        pending += [(child, near) for child in reversed(inner)]


_NO_TERMS = frozenset({"location", "annotations"})


def nodes(node: Json) -> Iterator[Node]:
    """Yield every object of a syntax tree, in the order of the source."""
    pending = [node]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += reversed(node)
        elif isinstance(node, dict):
            yield node
            pending += reversed([child for key, child in node.items() if key not in _NO_TERMS])


def _is_var(node: Json) -> bool:
    return isinstance(node, dict) and node.get("type") == "var"


def _resolved(parts: list[Json], names: Mapping[str, tuple[str, ...]], at: Place) -> DataRef | InputRef:
    head = parts[0]["value"]
    base = (head,) if head in {"data", "input"} else names[head]
    constants: list[str] = list(base)
    complete = True
    for part in parts[1:]:
        if part.get("type") != "string":
            complete = False
            break
        constants.append(part["value"])
    path = tuple(constants[1:])
    return DataRef(path, complete, at) if constants[0] == "data" else InputRef(path, at)


@dataclass(frozen=True, slots=True)
class Rule:
    """One clause of a rule. ``path`` is its name and the keys that its head names; ``?`` is one that varies.

    ``shape`` is ``set`` for ``name contains element``, and otherwise describes the clause. ``element`` is the term that a
    set clause contains.
    """

    name: str
    path: tuple[str, ...]
    shape: str
    element: Node | None
    place: Place
    node: Node


def rules(module: Node) -> Iterator[Rule]:
    """Yield every clause of the module."""
    for node in module.get("rules") or ():
        head = node["head"]
        parts = head.get("ref") or [{"type": "var", "value": head.get("name", "")}]
        keys = (str(part["value"]) if part.get("type") == "string" else "?" for part in parts[1:])
        path = (str(parts[0]["value"]), *keys)
        shape = _shape(node, head, path)
        element = head.get("key") if shape == "set" else None
        yield Rule(path[0], path, shape, element, place(node, place(head)), node)


def _shape(node: Node, head: Node, path: tuple[str, ...]) -> str:
    if node.get("default"):
        return "a default"
    if head.get("args"):
        return "a function"
    if len(path) > 1:
        return "an object" if not ("key" in head and "value" not in head) else "a nested set"
    if "key" in head and "value" not in head:
        return "a set with else" if node.get("else") else "set"
    return "a single value"


def constant(term: Json) -> tuple[bool, Json]:
    """Return whether a term is ground, and its JSON value."""
    kind, value = term.get("type"), term.get("value")
    if kind == "null":
        return True, None  # the tree holds an empty object there
    if kind in {"string", "number", "boolean"}:
        return True, value
    if kind == "array":
        items = [constant(item) for item in value]
        return all(ground for ground, _ in items), [item for _, item in items]
    if kind == "object":
        pairs = [(constant(key), constant(item)) for key, item in value]
        ground = all(key[0] and isinstance(key[1], str) and item[0] for key, item in pairs)
        return ground, {key[1]: item[1] for key, item in pairs} if ground else None
    return False, None
