"""Finds where a stored object isn't what is shipped. What the API server adds by itself is no difference."""

from __future__ import annotations

import json
from collections.abc import Iterator

_SHOWN = 80


def differences(shipped: object, stored: object, place: str = "") -> Iterator[str]:
    """Yield ``PLACE is X, shipped is Y`` for every value that isn't the shipped one.

    Items of lists that have a name are compared by name, others by their place. Items and fields beside the shipped ones
    are differences, unless they are the API server's defaults: a selector or a condition more takes the rest back.
    """
    if isinstance(shipped, dict) and isinstance(stored, dict):
        before = f"{place}." if place else ""
        for name, value in shipped.items():
            yield from differences(value, stored.get(name), f"{before}{name}")
        more = stored.keys() - shipped.keys() - _OWN if place not in _OWN else ()
        for name in sorted(more):
            if stored[name] and stored[name] != _DEFAULTS.get(name):
                yield f"{before}{name} is set"
    elif isinstance(shipped, list) and isinstance(stored, list):
        yield from _of_lists(shipped, stored, place)
    elif shipped != stored and not (shipped == {} and stored is None):
        yield f"{place} is {_text(stored)}, shipped is {_text(shipped)}"


_DEFAULTS = {
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "parameterNotFoundAction": "Deny",
    "port": 443,
    "protocol": "TCP",
    "reinvocationPolicy": "Never",
    "scope": "*",
    "timeoutSeconds": 10,
}
"""What the API server fills in where nothing is said."""
_OWN = frozenset({"caBundle", "metadata", "status"})
"""Fields that the API server and the injector write; who trusts which authority is examined by itself."""


def _of_lists(shipped: list[object], stored: list[object], place: str) -> Iterator[str]:
    wanted, found = _by_name(shipped), _by_name(stored)
    if wanted and found is not None:
        for name, one in wanted.items():
            if name in found:
                yield from differences(one, found.pop(name), f"{place}[{name}]")
            else:
                yield f"{place}[{name}] is missing"
        yield from (f"{place}[{name}] is added" for name in found)
    elif len(shipped) != len(stored):
        yield f"{place} is {_text(stored)}, shipped is {_text(shipped)}"
    else:
        for number, (one, other) in enumerate(zip(shipped, stored, strict=True)):
            yield from differences(one, other, f"{place}[{number}]")


def _by_name(items: list[object]) -> dict[str, object] | None:
    """Return the items by name; ``None`` if they don't all have one of their own."""
    named: dict[str, object] = {
        one["name"]: one for one in items if isinstance(one, dict) and isinstance(one.get("name"), str)
    }
    return named if len(named) == len(items) else None


def _text(value: object) -> str:
    text = "missing" if value is None else json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
