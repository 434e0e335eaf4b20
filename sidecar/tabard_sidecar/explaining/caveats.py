"""Lists the caveats of a grant that limit calls, with where in the chain each of them stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tabard.caveats import glob_matches

from tabard_sidecar.util.jsontext import encode

Asked = Mapping[str, Any]
"""A policy input."""

_Text = Callable[[Mapping[str, Any], Asked, Mapping[str, Any]], str]

_START = "the task's start"


def limiting(asked: Asked, charges: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the caveats that would stop other calls than this one, with where each stands.

    Args:
        asked: the policy input.
        charges: what the call costs, by budget.
    """
    delegation = _object(asked.get("delegation"))
    later = [
        (caveat, _holder(link))
        for link in _objects(delegation.get("chain"))
        for caveat in _objects(link.get("caveats"))
    ]
    every = _objects(delegation.get("constraints"))
    first = [(caveat, _START) for caveat in every[: max(0, len(every) - len(later))]]
    found = []
    for caveat, since in (*first, *later):
        told = _TEXTS.get(str(caveat.get("type")))
        stops = told(caveat, asked, charges) if told is not None else ""
        if stops:
            found.append({"caveat": dict(caveat), "since": since, "stops": stops})
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
