"""The caveat ``max_depth``."""

from __future__ import annotations

from dataclasses import field

from tabard._lean import dataclass
from tabard.caveats import validation
from tabard.caveats.base import Caveat, DependsOn
from tabard.caveats.facts import Facts, Failure
from tabard.caveats.limit_fields import CountLimit

MAX_DEPTH = 1000


@dataclass(frozen=True, slots=True)
class MaxDepth(Caveat):
    """The whole chain, counted from the root grant, may hold at most so many hops and branches."""

    tag = "max_depth"
    depends_on = DependsOn.GRANT
    limit_field = CountLimit(
        name="max_depth",
        description="Longest chain of hops and branches, counted from the root grant.",
        nothing=0,
        maximum=MAX_DEPTH,
    )

    max_depth: int = field(metadata={"description": "integer"})

    def __post_init__(self) -> None:
        validation.integer(self.max_depth, "max_depth", maximum=MAX_DEPTH)

    def check(self, facts: Facts) -> Failure | None:
        """See :meth:`Caveat.check`."""
        if facts.depth <= self.max_depth:
            return None
        return Failure(
            "depth_exceeded", f"the chain has {facts.depth} hops and branches, {self.max_depth} are allowed"
        )
