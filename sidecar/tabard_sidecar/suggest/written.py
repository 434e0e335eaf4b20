"""Writes a proposal as data in YAML, with the evidence of each restriction as a comment.

Every text of a log is a quoted scalar, and comments have numbers only, so no text can become more than a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tabard_sidecar.policy.values import Json
from tabard_sidecar.suggest.proposing import OF_AGENT, Kind, Proposal, Restriction
from tabard_sidecar.suggest.sketches import MOST_TASKS
from tabard_sidecar.suggest.usage import ASSERTED
from tabard_sidecar.util.visible import hidden

_INDENT: Final = "  "
_WIDTH: Final = 100
_BEYOND_BMP: Final = 0x10000
_BYTE: Final = 0x100
_WORDS: Final = frozenset({"agents", "arguments", "asserted", "purposes", "tools", *map(str, Kind)})
"""Keys that are no text of a log, or harmless as one."""
_FLAGS: Final = frozenset({Kind.SIGNED, Kind.PURPOSES, Kind.TOOLS, Kind.ARGUMENTS})


class Noted(NamedTuple):
    """A value of the data with a comment, which stands above it."""

    value: Json
    comment: str


Tree = dict[str, Any]


def data_tree(proposal: Proposal) -> Tree:
    """Return the data of a proposal's module; values that a restriction states are :class:`Noted`."""
    agents: Tree = {}
    for one in proposal.restrictions:
        agent = agents.setdefault(one.agent, {})
        place = agent if one.kind in OF_AGENT else _of_purpose(agent, one.purpose)
        if one.kind is Kind.PURPOSES:
            for purpose in one.value:
                _of_purpose(agent, purpose)
        if one.tool:
            place = place.setdefault("tools", {}).setdefault(one.tool, {})
        elif one.kind is Kind.TOOLS:
            for name in one.value:
                place.setdefault("tools", {}).setdefault(name, {})
        _put(place, one)
    return {"agents": agents}


def _of_purpose(agent: Tree, purpose: str | None) -> Tree:
    if purpose is ASSERTED:
        asserted: Tree = agent.setdefault("asserted", {})
        return asserted
    purposes: dict[str, Tree] = agent.setdefault("purposes", {})
    return purposes.setdefault(str(purpose), {})


def _put(place: Tree, one: Restriction) -> None:
    value = True if one.kind in _FLAGS else one.value
    if one.kind is Kind.ARGUMENTS:
        for path in one.value:
            place.setdefault("arguments", {}).setdefault(path, {})
    elif one.kind is Kind.SPENT:
        place, name = place.setdefault(one.kind.value, {}), one.name
        place[name] = Noted(value, _evidence(one))
        return
    elif one.name:
        place = place.setdefault("arguments", {}).setdefault(one.name, {})
    place[one.kind.value] = Noted(value, _evidence(one))


def _evidence(one: Restriction) -> str:
    tasks = f"{one.tasks:,} or more" if one.tasks >= MOST_TASKS else f"{one.tasks:,}"
    seen = f"; seen {_number(one.seen)}" if one.seen is not None else ""
    return f"{one.calls:,} in {tasks} tasks on {one.days:,} days{seen}"


def data_text(tree: Tree, head: Iterable[str]) -> str:
    """Return a data file; ``head`` are lines of comment at its top, without texts of a log."""
    lines = [f"# {line}".rstrip() for line in head]
    return "\n".join([*lines, "", *_mapping(tree, ""), ""])


def _mapping(tree: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, value in sorted(tree.items(), key=_nested):
        inner = value
        if isinstance(value, Noted):
            yield f"{indent}# {value.comment}"
            inner = value.value
        key = f"{indent}{name if name in _WORDS else quoted(name)}:"
        if isinstance(inner, dict) and inner:
            yield key
            yield from _mapping(inner, indent + _INDENT)
        else:
            yield from _one(key, inner, indent + _INDENT)


def _nested(item: tuple[str, Any]) -> bool:
    """Tell whether a member has members of its own; it comes after those that haven't."""
    return isinstance(item[1], dict) and bool(item[1])


def _one(key: str, value: Json, indent: str) -> Iterator[str]:
    """Yield a scalar, a list or an empty mapping; a list on one line if it fits."""
    if not isinstance(value, list):
        yield f"{key} {scalar(value)}"
        return
    items = list(map(scalar, value))
    line = f"{key} [{', '.join(items)}]"
    if len(line) <= _WIDTH:
        yield line
    else:
        yield key
        yield from (f"{indent}- {item}" for item in items)


def scalar(value: Json) -> str:
    """Return a scalar as YAML that every reader reads alike."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _number(value)
        case str():
            return quoted(value)
        case _:
            return "{}"


def _number(value: Json) -> str:
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)


def quoted(text: str) -> str:
    """Return a text as a quoted scalar; what isn't visible is escaped."""
    return '"' + "".join(map(_character, text)) + '"'


def _character(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    point = ord(character)
    if point >= _BEYOND_BMP:
        return f"\\U{point:08x}"
    if hidden(character) or not (character.isascii() or character.isalnum()):
        return f"\\x{point:02x}" if point < _BYTE else f"\\u{point:04x}"
    return character
