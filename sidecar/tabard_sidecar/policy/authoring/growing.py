"""Makes larger copies of what a policy reads: of one collection of its data, or of one argument, and of nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import NamedTuple

from tabard_sidecar.policy.loading.ast import DataRef, InputRef, Node, aliases, nodes, refs, rules
from tabard_sidecar.policy.values import Json

EACH = "*"
"""In the path of a collection: any key of the collection before it."""
_OF_RULES = frozenset({"lib", "policy", "system", "tabard"})
_ARGUMENTS = ("tool", "arguments")
_MOST_HOLDERS = 32
_MOST_BYTES = 16 * 2**20


class Collection(NamedTuple):
    """An array or object that a policy reads, by its path below ``data`` or ``input``; :data:`EACH` stands for any key."""

    root: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        text = self.root
        for part in self.path:
            text += f".{part}" if part.isidentifier() else "[_]" if part == EACH else f"[{json.dumps(part)}]"
        return text

    @property
    def own(self) -> bool:
        """Whether this is a part of one entry, such as the roles of a person: such lists are short where tables are long."""
        return EACH in self.path


def collections_in_data(modules: Mapping[str, Node], data: Mapping[str, Json]) -> list[Collection]:
    """Return the arrays and objects of the data that rules read as a whole or by a key that isn't a constant."""
    found: dict[Collection, None] = {}
    for module in modules.values():
        names = aliases(module)
        for rule in rules(module):
            for ref in refs(rule.node, names, rule.place):
                if isinstance(ref, DataRef) and ref.path and ref.path[0] not in _OF_RULES:
                    found |= dict.fromkeys(_within(ref.path, data))
            for path in _dynamic(rule.node, names):
                found |= dict.fromkeys(_within(path, data))
    return sorted(found)


def collections_in_arguments(
    modules: Mapping[str, Node], inputs: Sequence[Mapping[str, Json]]
) -> list[Collection]:
    """Return the arrays and objects among the arguments that inputs have, if a rule reads arguments at all."""
    reads = any(
        isinstance(ref, InputRef)
        for module in modules.values()
        for rule in rules(module)
        for ref in refs(rule.node, aliases(module), rule.place)
    )
    found: dict[Collection, None] = {}
    for document in inputs if reads else ():
        arguments = (document.get("tool") or {}).get("arguments") or {}
        for name, value in arguments.items():
            if isinstance(value, list | dict) and value:
                found[Collection("input", (*_ARGUMENTS, name))] = None
    return sorted(found)


def grown(document: Mapping[str, Json], collection: Collection, entries: int) -> Json:
    """Return a copy of a document in which a collection has that many more entries; ``None`` if that would be too large.

    The new entries are copies of those that are there, with other keys, texts and numbers, and stand before them: what searches
    for an old one, entry by entry, finds it last. An empty collection gets texts, or objects without members.
    """
    holders = list(_holders(document, collection.path))[:_MOST_HOLDERS]
    if not holders:
        return None
    each = max(1, entries // len(holders)) if collection.own else entries
    pattern = max((len(json.dumps(value)) // max(1, len(value)) for value in holders), default=0)
    if (pattern + 16) * each * len(holders) > _MOST_BYTES:
        return None
    # Only the way to the collection is copied.
    return _replaced(document, collection.path, each)


def _within(path: Sequence[str], data: Mapping[str, Json]) -> Iterator[Collection]:
    """Yield the collection at a path of the data."""
    if any(isinstance(value, list | dict) for value in _holders(data, path)):
        yield Collection("data", tuple(path))


def _dynamic(node: Json, names: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of references into data that go on after a key that isn't a constant."""
    for one in nodes(node):
        parts = one.get("value")
        if one.get("type") != "ref" or not isinstance(parts, list) or parts[0].get("type") != "var":
            continue
        head = names.get(parts[0]["value"], (parts[0]["value"],))
        if head[0] != "data":
            continue
        path = (*head[1:], *(part["value"] if part.get("type") == "string" else EACH for part in parts[1:]))
        if path[0] in _OF_RULES or EACH not in path:
            continue
        for end in range(path.index(EACH) + 1, len(path) + 1):
            yield path[:end] if path[end - 1] != EACH else path[: end - 1]
        yield path


def _holders(value: Json, path: Sequence[str]) -> Iterator[Json]:
    """Yield the arrays and objects at a path."""
    if not path:
        if isinstance(value, list | dict):
            yield value
        return
    head, rest = path[0], path[1:]
    if head == EACH:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for item in list(inner)[:_MOST_HOLDERS]:
            yield from _holders(item, rest)
    elif isinstance(value, dict) and head in value:
        yield from _holders(value[head], rest)


def _replaced(value: Json, path: Sequence[str], entries: int) -> Json:
    if not path:
        return _larger(value, entries) if isinstance(value, list | dict) else value
    head, rest = path[0], path[1:]
    if head != EACH:
        return {**value, head: _replaced(value[head], rest, entries)} if _has(value, head) else value
    if isinstance(value, dict):
        chosen = set(list(value)[:_MOST_HOLDERS])
        return {key: _replaced(item, rest, entries) if key in chosen else item for key, item in value.items()}
    if isinstance(value, list):
        return [
            _replaced(item, rest, entries) if number < _MOST_HOLDERS else item
            for number, item in enumerate(value)
        ]
    return value


def _has(value: Json, key: str) -> bool:
    return isinstance(value, dict) and key in value


def _larger(value: Json, entries: int) -> Json:
    if isinstance(value, list):
        return [
            *(_other(value[number % len(value)] if value else "", number) for number in range(entries)),
            *value,
        ]
    items = list(value.values())
    more = {
        # "!" comes before letters and digits, so an iteration meets the new keys first.
        f"!{number:07}": _other(items[number % len(items)] if items else {}, number)
        for number in range(entries)
    }
    return {**more, **value}


def _other(value: Json, number: int) -> Json:
    """Return a value like this one that is equal to no other."""
    if isinstance(value, str):
        return f"!{number}{value}"
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return value + number + 1
    if isinstance(value, list):
        return [_other(item, number) for item in value]
    if isinstance(value, dict):
        return {key: _other(item, number) for key, item in value.items()}
    return deepcopy(value)
