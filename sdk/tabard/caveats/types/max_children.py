"""The caveat ``max_children``."""

from __future__ import annotations

from dataclasses import field

from tabard._lean import dataclass
from tabard.caveats import validation
from tabard.caveats.base import Caveat, DependsOn
from tabard.caveats.limit_fields import CountLimit

MAX_CHILDREN = 100_000


@dataclass(frozen=True, slots=True)
class MaxChildren(Caveat):
    """From here on, every holder may have at most so many children (hops and branches)."""

    tag = "max_children"
    depends_on = DependsOn.GRANT
    checked_elsewhere = "by the state store, when a child is first used"
    limit_field = CountLimit(
        name="max_children",
        description="Most children (hops and branches) of any holder from here on.",
        nothing=0,
        maximum=MAX_CHILDREN,
    )

    max_children: int = field(metadata={"description": "integer"})

    def __post_init__(self) -> None:
        validation.integer(self.max_children, "max_children", maximum=MAX_CHILDREN)
