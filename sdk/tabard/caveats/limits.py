"""Limits: what narrows a grant, before it becomes caveats."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from tabard.caveats import checks
from tabard.caveats.codec import constraints_from_json, constraints_json
from tabard.caveats.errors import CaveatError
from tabard.caveats.types import (
    Arguments,
    Audiences,
    Budget,
    Caveat,
    Expiry,
    MaxChildren,
    MaxDepth,
    Purposes,
    ReadOnly,
    Scopes,
    Tools,
)

MAX_RULES = 64
MAX_TTL_SECONDS = 366 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Narrows a grant; what isn't set leaves that dimension as it is, and nothing can widen it.

    ``None`` and an empty tuple differ: the first says nothing, the second takes everything away. ``ttl_seconds`` counts
    from the moment the caveats are made.

    Raises:
        CaveatError: a value has the wrong type or is out of bounds.
    """

    tools: tuple[str, ...] | None = None
    audiences: tuple[str, ...] | None = None
    scopes: tuple[str, ...] | None = None
    purposes: tuple[str, ...] | None = None
    arguments: tuple[Arguments, ...] = ()
    max_depth: int | None = None
    max_children: int | None = None
    ttl_seconds: float | None = None
    read_only: bool = False
    budgets: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        for name in ("tools", "audiences", "scopes", "purposes"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, checks.texts(value, name))
        if not isinstance(self.arguments, list | tuple) or len(self.arguments) > MAX_RULES:
            raise CaveatError(f"arguments must be a list of at most {MAX_RULES} rules")
        object.__setattr__(self, "arguments", tuple(self.arguments))
        if not all(type(rule) is Arguments for rule in self.arguments):
            raise CaveatError("each of arguments must be a rule about arguments")
        if self.ttl_seconds is not None:
            ttl = checks.number(self.ttl_seconds, "ttl_seconds")
            if not 0 < ttl <= MAX_TTL_SECONDS:
                raise CaveatError(f"ttl_seconds must be greater than 0 and at most {MAX_TTL_SECONDS:.0f}")
        checks.boolean(self.read_only, "read_only")
        if self.budgets is not None:
            if not isinstance(self.budgets, Mapping):
                raise CaveatError("budgets must be an object")
            object.__setattr__(self, "budgets", MappingProxyType(dict(self.budgets)))
        self._timeless()

    def caveats(self, now: float) -> tuple[Caveat, ...]:
        """Return the caveats that say the same as these limits from ``now`` (seconds since the epoch) on."""
        if self.ttl_seconds is None:
            return self._timeless()
        # Whole milliseconds keep the encoding short; rounding down only narrows.
        return (Expiry(math.floor((now + self.ttl_seconds) * 1000) / 1000), *self._timeless())

    def _timeless(self) -> tuple[Caveat, ...]:
        caveats: list[Caveat] = []
        if self.tools is not None:
            caveats.append(Tools(self.tools))
        caveats.extend(self.arguments)
        if self.audiences is not None:
            caveats.append(Audiences(self.audiences))
        if self.scopes is not None:
            caveats.append(Scopes(self.scopes))
        if self.purposes is not None:
            caveats.append(Purposes(self.purposes))
        if self.max_depth is not None:
            caveats.append(MaxDepth(self.max_depth))
        if self.max_children is not None:
            caveats.append(MaxChildren(self.max_children))
        if self.read_only:
            caveats.append(ReadOnly())
        if self.budgets:
            caveats.extend(Budget(name, limit) for name, limit in sorted(self.budgets.items()))
        return tuple(caveats)


def limits_from_json(found: object) -> Limits:
    """Return the limits that a JSON object describes, as policies and signed intents write them.

    Raises:
        CaveatError: it isn't an object, has an unknown field, or a value is malformed; ``null`` counts as malformed.
    """
    if not isinstance(found, Mapping):
        raise CaveatError("limits must be an object")
    known = {item.name for item in fields(Limits)}
    for name, value in found.items():
        if name not in known:
            raise CaveatError(f"limits has an unknown field {str(name)[:64]!r}", unknown=True)
        if value is None:
            raise CaveatError(f"{name} of limits must not be null")
    values: dict[str, Any] = dict(found)
    if "arguments" in values:
        values["arguments"] = _rules(values["arguments"])
    return Limits(**values)


def limits_json(limits: Limits) -> dict[str, Any]:
    """Return limits as a JSON object that holds only what is set; :func:`limits_from_json` reads it back."""
    shown: dict[str, Any] = {}
    for name in ("tools", "audiences", "scopes", "purposes"):
        value = getattr(limits, name)
        if value is not None:
            shown[name] = list(value)
    if limits.arguments:
        shown["arguments"] = [
            {"tool": rule.tool, "constraints": constraints_json(rule), "open": rule.open}
            for rule in limits.arguments
        ]
    for name in ("max_depth", "max_children", "ttl_seconds"):
        value = getattr(limits, name)
        if value is not None:
            shown[name] = value
    if limits.read_only:
        shown["read_only"] = True
    if limits.budgets is not None:
        shown["budgets"] = dict(limits.budgets)
    return shown


def _rules(found: object) -> tuple[Arguments, ...]:
    if not isinstance(found, list | tuple):
        raise CaveatError("arguments must be a list of rules")
    rules = []
    for item in found:
        if not isinstance(item, Mapping) or not {"tool", "constraints"} <= item.keys():
            raise CaveatError("each of arguments must have tool and constraints")
        if not item.keys() <= {"tool", "constraints", "open"}:
            raise CaveatError("a rule about arguments has an unknown field", unknown=True)
        rules.append(
            Arguments(item["tool"], constraints_from_json(item["constraints"]), item.get("open", False))
        )
    return tuple(rules)
