"""The vocabulary: every caveat type, the codes of their failures, and the limits that can be asked for.

A type that isn't named here doesn't exist; a grant that holds one is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeVar

from tabard._lean import dataclass
from tabard.caveats.base import Caveat
from tabard.caveats.errors import CaveatError
from tabard.caveats.registry import CaveatRegistry
from tabard.caveats.types.arguments import Arguments
from tabard.caveats.types.audiences import Audiences
from tabard.caveats.types.branch import Branch
from tabard.caveats.types.budget import Budget
from tabard.caveats.types.call import Call
from tabard.caveats.types.expiry import Expiry
from tabard.caveats.types.hop import Hop
from tabard.caveats.types.max_children import MaxChildren
from tabard.caveats.types.max_depth import MaxDepth
from tabard.caveats.types.purposes import Purposes
from tabard.caveats.types.read_only import ReadOnly
from tabard.caveats.types.scopes import Scopes
from tabard.caveats.types.third_party import ThirdParty
from tabard.caveats.types.tools import Tools
from tabard.caveats.types.uses import Uses

__all__ = [
    "CAVEATS",
    "Arguments",
    "Audiences",
    "Branch",
    "Budget",
    "Call",
    "Expiry",
    "FailureCode",
    "Hop",
    "Limits",
    "MaxChildren",
    "MaxDepth",
    "Purposes",
    "ReadOnly",
    "Scopes",
    "ThirdParty",
    "Tools",
    "Uses",
    "caveat_from_json",
    "decode_caveat",
    "limits_from_json",
    "limits_json",
]

CAVEATS = CaveatRegistry(
    (
        Expiry,
        Tools,
        Arguments,
        Audiences,
        Scopes,
        Purposes,
        MaxDepth,
        MaxChildren,
        ReadOnly,
        Budget,
        Hop,
        Branch,
        Call,
        Uses,
        ThirdParty,
    )
)
"""Every caveat type. Limits become caveats in this order."""

FailureCode = Literal[
    "argument_missing",
    "argument_not_granted",
    "argument_unknown",
    "audience_not_granted",
    "call_mismatch",
    "caveat_not_enforced",
    "caveat_unknown",
    "depth_exceeded",
    "grant_expired",
    "internal",
    "purpose_not_granted",
    "read_only",
    "scope_not_granted",
    "tool_not_granted",
]
"""Reason code of a caveat that isn't met; each has a page under docs/reference/errors/."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Narrows a grant; what isn't set leaves that dimension as it is, and nothing can widen it.

    ``None`` and an empty tuple differ: the first says nothing, the second takes everything away. ``ttl_seconds`` counts
    from the moment the caveats are made.

    Raises:
        CaveatError: a value has the wrong type or is out of bounds.
    """

    registry: ClassVar[CaveatRegistry] = CAVEATS

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
        for name, (_, limit) in self.registry.limits.items():
            value = getattr(self, name)
            if value is not limit.unset:
                object.__setattr__(self, name, limit.checked(value))
        self.caveats(0.0)

    def caveats(self, now: float) -> tuple[Caveat, ...]:
        """Return the caveats that say the same as these limits from ``now`` (seconds since the epoch) on."""
        return tuple(
            caveat
            for name, value in self.stated().items()
            for caveat in self.registry.limits[name].kind.from_limit(value, now)
        )

    def stated(self) -> dict[str, Any]:
        """Return the values that limit something, by name."""
        values = {name: getattr(self, name) for name in self.registry.limits}
        return {
            name: value for name, value in values.items() if value != self.registry.limits[name].field.unset
        }


L = TypeVar("L", bound=Limits)

decode_caveat = CAVEATS.decode
caveat_from_json = CAVEATS.from_json


def limits_from_json(found: object, kind: type[L] = Limits) -> L:  # type: ignore[assignment] # mypy: a default of a TypeVar
    """Return the limits that a JSON object describes, as policies and signed intents write them.

    Args:
        found: the object.
        kind: the class of limits.

    Raises:
        CaveatError: it isn't an object, has an unknown field, or a value is malformed; ``null`` counts as malformed.
    """
    if not isinstance(found, Mapping):
        raise CaveatError("limits must be an object")
    values: dict[str, Any] = {}
    for name, value in found.items():
        known = kind.registry.limits.get(name)
        if known is None:
            raise CaveatError(f"limits has an unknown field {str(name)[:64]!r}", unknown=True)
        if value is None:
            raise CaveatError(f"{name} of limits must not be null")
        values[name] = known.field.from_json(value)
    return kind(**values)


def limits_json(limits: Limits) -> dict[str, Any]:
    """Return limits as a JSON object that holds only what is set; :func:`limits_from_json` reads it back."""
    fields = limits.registry.limits
    return {name: fields[name].field.to_json(value) for name, value in limits.stated().items()}
