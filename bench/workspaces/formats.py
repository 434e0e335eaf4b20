"""Reads the files with requests and attacks. README.md describes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

_REFERENCE = re.compile(r"\$\{([a-z][a-z0-9_]*)((?:\.[A-Za-z0-9_-]+)*)\}")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class FormatError(Exception):
    """A file can't be used; the text says where and why."""


class UnresolvedError(Exception):
    """An argument refers to a result that there isn't."""


@dataclass(frozen=True)
class Call:
    """A tool call as it is written down.

    Attributes:
        tool: its name.
        args: arguments, in which ``${name.path}`` refers to an earlier result.
        name: name of its result, for later calls; empty if none refers to it.
        harm: whether this call is what an attack is for.
        together: number of the entry whose calls the agent asks for together, from 1; 0 for a call on its own.
    """

    tool: str
    args: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    harm: bool = False
    together: int = 0

    def resolve(self, results: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments with the results in place of references.

        Raises:
            UnresolvedError: a reference leads nowhere, because a call before wasn't made or returned something else.
        """
        resolved = _resolve(dict(self.args), results)
        assert isinstance(resolved, dict)
        return resolved


@dataclass(frozen=True)
class Request:
    """What a person asks for, with the calls of an agent that does exactly this."""

    id: str
    person: str
    says: str
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Attack:
    """Calls of an agent that was deceived by a text while it worked on a request.

    Attributes:
        id: its name.
        request: the id of the request.
        text: what the stranger wrote.
        placeholder: where, such as ``injection_3``.
        after: how many calls of the request the agent makes before it follows the text.
        calls: what it does then; it doesn't return to the request.
    """

    id: str
    request: str
    placeholder: str
    text: str
    after: int
    calls: tuple[Call, ...]


def in_lists(calls: Iterable[Call]) -> Iterator[tuple[Call, ...]]:
    """Yield calls in order: each one on its own, or all calls that the agent asks for together."""
    for together, members in groupby(calls, key=lambda call: call.together):
        if together:
            yield tuple(members)
        else:
            yield from ((call,) for call in members)


def load_requests(path: Path) -> tuple[Request, ...]:
    """Read a file with requests.

    Raises:
        FormatError: it can't be used.
    """
    requests = []
    for entry in _entries(path, "requests"):
        entry.only({"id", "person", "says", "calls"})
        calls = entry.calls()
        if any(call.harm for call in calls):
            raise entry.wrong("a call of a request is no harm")
        requests.append(Request(entry.id, entry.text("person"), entry.text("says"), calls))
    return tuple(requests)


def load_attacks(path: Path, requests: Mapping[str, Request]) -> tuple[Attack, ...]:
    """Read a file with attacks on these requests, by their id.

    Raises:
        FormatError: it can't be used.
    """
    attacks = []
    for entry in _entries(path, "attacks"):
        entry.only({"id", "request", "placeholder", "text", "after", "calls"})
        request = requests.get(entry.text("request"))
        if request is None:
            raise entry.wrong(f"there is no request {entry.text('request')}")
        after = entry.values.get("after", len(request.calls))
        if type(after) is not int or not 1 <= after <= len(request.calls):
            raise entry.wrong(f"after is a number from 1 to {len(request.calls)}: calls of {request.id}")
        if _is_cut(request.calls, after):
            raise entry.wrong(f"after: {after} calls of {request.id} end within a list of calls together")
        calls = entry.calls()
        if not any(call.harm for call in calls):
            raise entry.wrong("no call has harm: true")
        attacks.append(
            Attack(entry.id, request.id, entry.text("placeholder"), entry.text("text"), after, calls)
        )
    return tuple(attacks)


@dataclass(frozen=True)
class _Entry:
    path: Path
    id: str
    values: Mapping[str, Any]

    def wrong(self, problem: str) -> FormatError:
        return FormatError(f"{self.path}: {self.id}: {problem}")

    def only(self, known: set[str]) -> None:
        unknown = sorted(map(str, self.values.keys() - known))
        if unknown:
            raise self.wrong(f"unknown key {unknown[0]}; known are {', '.join(sorted(known))}")

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(f"{key} must be a text")
        return value.strip()

    def calls(self) -> tuple[Call, ...]:
        items = self._list(self.values.get("calls"), "calls must be a list of at least one call")
        calls: list[Call] = []
        for number, item in enumerate(items, 1):
            if isinstance(item, dict) and "together" in item:
                calls += self._together(item, number, len(calls) + 1)
            else:
                calls.append(self._call(item, len(calls) + 1))
        return tuple(calls)

    def _list(self, items: Any, otherwise: str) -> list[Any]:
        if not isinstance(items, list) or not items:
            raise self.wrong(otherwise)
        return items

    def _together(self, item: Mapping[str, Any], entry: int, first: int) -> list[Call]:
        """Return the calls of an entry that the agent asks for together; none needs another one's result."""
        if item.keys() != {"together"}:
            raise self.wrong(f"call {first}: together stands alone, with a list of calls")
        items = self._list(item["together"], f"call {first}: together must be a list of at least one call")
        calls = [self._call(one, number, together=entry) for number, one in enumerate(items, first)]
        names = [call.name for call in calls if call.name]
        if len(set(names)) < len(names):
            raise self.wrong(f"call {first}: two calls together have the same name")
        for number, call in enumerate(calls, first):
            needed = sorted(_references(call.args) & set(names))
            if needed:
                raise self.wrong(
                    f"call {number} needs {needed[0]}, a result of a call that is made together with it"
                )
        return calls

    def _call(self, item: Any, number: int, *, together: int = 0) -> Call:
        if not isinstance(item, dict) or item.keys() - {"args", "as", "harm", "tool"}:
            raise self.wrong(f"call {number} has tool, and may have args, as, harm")
        tool, args, name, harm = (
            item.get("tool"),
            item.get("args", {}),
            item.get("as", ""),
            item.get("harm", False),
        )
        if not isinstance(tool, str) or not isinstance(args, dict) or not isinstance(harm, bool):
            raise self.wrong(f"call {number}: tool is a text, args an object, harm true or false")
        if not isinstance(name, str) or (name and not _NAME.fullmatch(name)):
            raise self.wrong(f"call {number}: as is a name of small letters, digits and _")
        return Call(tool, args, name, harm, together)


def _is_cut(calls: tuple[Call, ...], after: int) -> bool:
    """Tell whether a list of calls together goes on after the first ``after`` calls."""
    return after < len(calls) and 0 != calls[after - 1].together == calls[after].together


def _entries(path: Path, key: str) -> list[_Entry]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: can't be read: {error}") from error
    except yaml.YAMLError as error:
        raise FormatError(f"{path}: isn't YAML: {error}") from error
    items = loaded.get(key) if isinstance(loaded, dict) and loaded.keys() == {key} else None
    if not isinstance(items, list):
        raise FormatError(f"{path}: must hold {key}: and a list, and nothing else")
    entries = []
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict) or not isinstance(item.get("id"), str):
            raise FormatError(f"{path}: entry {number} needs an id")
        entries.append(_Entry(path, item["id"], item))
    ids = [entry.id for entry in entries]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise FormatError(f"{path}: {twice[0]} is there twice")
    return entries


def _references(node: Any) -> set[str]:
    """Return the names of the results that arguments refer to."""
    if isinstance(node, Mapping):
        return set().union(*map(_references, node.values()))
    if isinstance(node, list):
        return set().union(*map(_references, node))
    return {found[1] for found in _REFERENCE.finditer(node)} if isinstance(node, str) else set()


def _resolve(node: Any, results: Mapping[str, Any]) -> Any:
    if isinstance(node, dict):
        return {key: _resolve(value, results) for key, value in node.items()}
    if isinstance(node, list):
        return [_resolve(item, results) for item in node]
    if not isinstance(node, str):
        return node
    whole = _REFERENCE.fullmatch(node)
    if whole:
        return _look_up(whole, results)
    return _REFERENCE.sub(lambda found: str(_look_up(found, results)), node)


def _look_up(found: re.Match[str], results: Mapping[str, Any]) -> Any:
    if found[1] not in results:
        raise UnresolvedError(f"{found[0]}: no call before has as: {found[1]}, or it wasn't made")
    node = results[found[1]]
    for key in found[2].split(".")[1:]:
        if isinstance(node, list) and key.isdecimal() and int(key) < len(node):
            node = node[int(key)]
        elif isinstance(node, dict) and key in node:
            node = node[key]
        else:
            raise UnresolvedError(f"{found[0]}: the result has no {key}")
    return node
