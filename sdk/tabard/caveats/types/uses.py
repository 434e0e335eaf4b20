"""The caveat ``uses``."""

from __future__ import annotations

from dataclasses import field

from tabard._lean import dataclass
from tabard.caveats import validation
from tabard.caveats.base import Caveat, DependsOn


@dataclass(frozen=True, slots=True)
class Uses(Caveat):
    """A discharge may be used so many times. It isn't enforced, so a grant or a discharge that holds it is refused."""

    tag = "uses"
    depends_on = DependsOn.GRANT

    uses: int = field(metadata={"description": "integer from 1"})

    def __post_init__(self) -> None:
        validation.integer(self.uses, "uses", minimum=1)
