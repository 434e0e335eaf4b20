"""The caveat ``read_only``."""

from __future__ import annotations

from tabard._lean import dataclass
from tabard.caveats.base import Caveat, DependsOn
from tabard.caveats.facts import Facts, Failure, quoted
from tabard.caveats.limit_fields import FlagLimit


@dataclass(frozen=True, slots=True)
class ReadOnly(Caveat):
    """Only tools that the catalogue marks as read-only may be called."""

    tag = "read_only"
    depends_on = DependsOn.CALL
    limit_field = FlagLimit(
        name="read_only", description="True to allow only tools that the catalogue marks as read-only."
    )

    def check(self, facts: Facts) -> Failure | None:
        """See :meth:`Caveat.check`."""
        if facts.call is None or facts.call.read_only:
            return None
        tool = quoted(facts.call.tool)
        return Failure("read_only", f"tool {tool} is not marked as read-only in the catalogue")

    @classmethod
    def from_limit(cls, value: bool, now: float) -> tuple[Caveat, ...]:  # noqa: ARG003 - as limits have it
        """See :meth:`Caveat.from_limit`."""
        return (cls(),) if value else ()
