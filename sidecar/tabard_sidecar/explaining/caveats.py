"""Lists the caveats of a grant that limit calls, with where in the chain each of them stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from tabard.caveats import glob_matches

from tabard_sidecar.util.jsontext import encode

Asked = Mapping[str, Any]
"""A policy input."""

_Text = Callable[[Mapping[str, Any], Asked, Mapping[str, Any]], str]

_START = "the task's start"
_LINKS = frozenset({"hop", "branch"})
"""Types of the caveats with which a link begins. Its own caveats follow, and stand in the chain, too."""


def limiting(asked: Asked, charges: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the caveats that would stop other calls than this one, with where each stands.

    Args:
        asked: the policy input.
        charges: what the call costs, by budget.
    """
    return [
        {"caveat": dict(caveat), "since": _START if link is None else _holder(link), "stops": stops}
        for link, caveats in by_link(asked, charges)
        for caveat, stops in caveats
        if stops
    ]


def by_link(
    asked: Asked, charges: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, Any] | None, list[tuple[Mapping[str, Any], str]]]]:
    """Yield the task's start, as ``None``, and each link of the chain, with the caveats that came with it.

    Each caveat has a text that says what it stops; the text is empty if it stops no other call.

    Args:
        asked: the policy input.
        charges: what the call costs, by budget.
    """
    delegation = _object(asked.get("delegation"))
    every = _objects(delegation.get("constraints"))
    yield None, _told([*takewhile(_is_no_link, every)], asked, charges)
    for link in _objects(delegation.get("chain")):
        yield link, _told(_objects(link.get("caveats")), asked, charges)


def _is_no_link(caveat: Mapping[str, Any]) -> bool:
    return str(caveat.get("type")) not in _LINKS


def _told(
    caveats: Sequence[Mapping[str, Any]], asked: Asked, charges: Mapping[str, Any]
) -> list[tuple[Mapping[str, Any], str]]:
    found = []
    for caveat in caveats:
        told = _TEXTS.get(str(caveat.get("type")))
        found.append((caveat, told(caveat, asked, charges) if told is not None else ""))
    return found


def _holder(link: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (str(link.get("holder") or ""), str(link.get("sub_agent") or ""))))


def _all_but(field: str, what: str) -> _Text:
    """Return what tells that a caveat stops all but those that a field of it lists."""

    def told(caveat: Mapping[str, Any], asked: Asked, charges: Mapping[str, Any]) -> str:
        del asked, charges
        names = caveat.get(field)
        listed = [str(name) for name in names] if isinstance(names, list) else []
        if "*" in listed:
            return ""
        return f"all {what} but {', '.join(listed)}" if listed else f"all {what}"

    return told


def _arguments(caveat: Mapping[str, Any], asked: Asked, charges: Mapping[str, Any]) -> str:
    del charges
    tool, wanted = str(_object(asked.get("tool")).get("name") or ""), str(caveat.get("tool") or "*")
    if not tool or not glob_matches(wanted, tool):
        return ""
    constraints = [
        f"{one.get('path')} {one.get('operator')} {encode(one.get('operand')).decode()}"
        for one in _objects(caveat.get("constraints"))
    ]
    return f"calls of {wanted} whose arguments don't meet {', '.join(constraints) or 'an empty list'}"


def _budget(caveat: Mapping[str, Any], asked: Asked, charges: Mapping[str, Any]) -> str:
    name = str(caveat.get("name") or "")
    budget = _object(_object(asked.get("budgets")).get(name))
    left = f", of which {budget['remaining']} were left" if "remaining" in budget else ""
    cost = f"; this one costs {charges[name]}" if name in charges else ""
    return f"calls that together cost more than {caveat.get('limit')} {name}{left}{cost}"


def _expiry(caveat: Mapping[str, Any], asked: Asked, charges: Mapping[str, Any]) -> str:
    del asked, charges
    return f"every call from {caveat.get('expires_at')} on"


def _read_only(caveat: Mapping[str, Any], asked: Asked, charges: Mapping[str, Any]) -> str:
    del caveat, asked, charges
    return "every tool that the catalogue doesn't mark as read-only"


def _call(caveat: Mapping[str, Any], asked: Asked, charges: Mapping[str, Any]) -> str:
    del caveat, asked, charges
    return "every other call"


_TEXTS: Mapping[str, _Text] = {
    "tools": _all_but("tools", "tools"),
    "arguments": _arguments,
    "read_only": _read_only,
    "budget": _budget,
    "audiences": _all_but("audiences", "credentials for audiences"),
    "scopes": _all_but("scopes", "scopes"),
    "purposes": _all_but("purposes", "purposes"),
    "call": _call,
    "expiry": _expiry,
}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
