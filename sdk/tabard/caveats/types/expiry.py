"""The caveat ``expiry``."""

from __future__ import annotations

import math
from dataclasses import field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tabard._lean import dataclass
from tabard.caveats import validation
from tabard.caveats.base import Caveat, DependsOn, set_field
from tabard.caveats.errors import CaveatError
from tabard.caveats.facts import Facts, Failure
from tabard.caveats.limit_fields import LimitField

if TYPE_CHECKING:
    from tabard.authz.v1 import types_pb2

MAX_TTL_SECONDS = 366 * 24 * 3600.0

_MAX_ELEMENT_SECONDS = 365 * 24 * 3600
_NANOS = 1_000_000_000
_LAST_MOMENT = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


class _Lifetime(LimitField[float]):
    """Seconds from the moment at which the caveat is made."""

    @property
    def message_field(self) -> str:
        return "ttl"

    def checked(self, value: object) -> float:
        ttl = validation.number(value, self.name)
        if not 0 < ttl <= MAX_TTL_SECONDS:
            raise CaveatError(f"{self.name} must be greater than 0 and at most {MAX_TTL_SECONDS:.0f}")
        return ttl

    def write(self, message: types_pb2.Limits, value: float) -> None:
        message.ttl.seconds, message.ttl.nanos = divmod(round(value * _NANOS), _NANOS)

    def read(self, message: types_pb2.Limits) -> float | None:
        if not message.HasField("ttl"):
            return None
        return (message.ttl.seconds * _NANOS + message.ttl.nanos) / _NANOS

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "description": self.description}

    def element_schema(self) -> dict[str, Any]:
        return {**self.schema(), "exclusiveMinimum": 0, "maximum": _MAX_ELEMENT_SECONDS}


@dataclass(frozen=True, slots=True)
class Expiry(Caveat):
    """The grant can't be used from ``expires_at`` on."""

    tag = "expiry"
    depends_on = DependsOn.TIME
    limit_field = _Lifetime(
        name="ttl_seconds", description="Longest time in seconds that the grant may still be used."
    )

    expires_at: float = field(metadata={"description": "seconds since the epoch"})

    def __post_init__(self) -> None:
        value = validation.number(self.expires_at, "expires_at")
        if value < 0:
            raise CaveatError("expires_at must not be negative")
        set_field(self, "expires_at", float(value))

    def check(self, facts: Facts) -> Failure | None:
        """See :meth:`Caveat.check`."""
        if facts.now < self.expires_at:
            return None
        return Failure("grant_expired", f"expired at {self.expires_at:.3f}, now is {facts.now:.3f}")

    @classmethod
    def from_limit(cls, value: float, now: float) -> tuple[Caveat, ...]:
        """See :meth:`Caveat.from_limit`."""
        # Whole milliseconds keep the encoding short; rounding down only narrows.
        return (cls(math.floor((now + value) * 1000) / 1000),)

    def shown_fields(self) -> dict[str, Any]:
        """See :meth:`Caveat.shown_fields`."""
        moment = datetime.fromtimestamp(min(self.expires_at, _LAST_MOMENT), UTC)
        return {"expires_at": moment.isoformat(timespec="microseconds").replace("+00:00", "Z")}
