"""The caveat ``purposes``."""

from __future__ import annotations

from dataclasses import field

from tabard._lean import dataclass
from tabard.caveats import validation
from tabard.caveats.base import Caveat, DependsOn, set_field
from tabard.caveats.facts import Facts, Failure, listed, quoted
from tabard.caveats.limit_fields import TextsLimit


@dataclass(frozen=True, slots=True)
class Purposes(Caveat):
    """The grant may only be used if the task's purpose is one of these and was signed by an initiator.

    With ``insecure.accept_asserted_intent`` a purpose that the agent asserts counts, too.
    """

    tag = "purposes"
    depends_on = DependsOn.GRANT
    limit_field = TextsLimit(name="purposes", description="Purposes.")

    purposes: tuple[str, ...] = field(metadata={"description": "names"})

    def __post_init__(self) -> None:
        set_field(self, "purposes", validation.texts(self.purposes, "purposes"))

    def check(self, facts: Facts) -> Failure | None:
        """See :meth:`Caveat.check`."""
        if facts.purpose is None:
            return Failure(
                "purpose_not_granted", "only the agent states the purpose, and no initiator signed it"
            )
        if facts.purpose in self.purposes:
            return None
        asked = quoted(facts.purpose)
        return Failure("purpose_not_granted", f"purpose {asked} is none of {listed(self.purposes)}")
