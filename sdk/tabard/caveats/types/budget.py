"""The caveat ``budget``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tabard._lean import dataclass
from tabard.caveats import validation
from tabard.caveats.base import Caveat, DependsOn
from tabard.caveats.errors import CaveatError
from tabard.caveats.limit_fields import LimitField

if TYPE_CHECKING:
    from tabard.authz.v1 import types_pb2

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_ELEMENT_ITEMS = 50


class _Budgets(LimitField["Mapping[str, int]"]):
    """An object of limits by name."""

    def checked(self, value: object) -> Mapping[str, int]:
        if not isinstance(value, Mapping):
            raise CaveatError(f"{self.name} must be an object")
        return MappingProxyType(dict(value))

    def to_json(self, value: Mapping[str, int]) -> dict[str, int]:
        return dict(value)

    def write(self, message: types_pb2.Limits, value: Mapping[str, int]) -> None:
        message.budgets.update(value)

    def read(self, message: types_pb2.Limits) -> Mapping[str, int] | None:
        return dict(message.budgets) if message.budgets else None

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "description": self.description,
            "additionalProperties": {"type": "integer"},
        }

    def element_schema(self) -> dict[str, Any]:
        limit = {"type": "integer", "minimum": 0, "maximum": validation.MAX_INTEGER - 1}
        return {**self.schema(), "additionalProperties": limit, "maxProperties": _MAX_ELEMENT_ITEMS}


@dataclass(frozen=True, slots=True)
class Budget(Caveat):
    """From here on, the charges of this name may add up to at most ``limit``."""

    tag = "budget"
    depends_on = DependsOn.GRANT
    checked_elsewhere = "by the state store, at every call that has a charge of that name"
    limit_field = _Budgets(name="budgets", description="Budgets by name.")

    name: str = field(metadata={"description": "lower_snake_case"})
    limit: int = field(metadata={"description": "integer"})

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise CaveatError("name of a budget must be lower_snake_case of at most 64 characters")
        validation.integer(self.limit, "limit of a budget")

    @classmethod
    def from_limit(cls, value: Mapping[str, int], now: float) -> tuple[Caveat, ...]:  # noqa: ARG003 - not timed
        """See :meth:`Caveat.from_limit`."""
        return tuple(cls(name, limit) for name, limit in sorted(value.items()))
