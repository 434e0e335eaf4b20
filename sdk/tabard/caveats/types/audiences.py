"""The caveat ``audiences``."""

from __future__ import annotations

from dataclasses import field

from tabard._lean import dataclass
from tabard.caveats import validation
from tabard.caveats.base import Caveat, DependsOn, set_field
from tabard.caveats.facts import Facts, Failure, listed, quoted
from tabard.caveats.limit_fields import TextsLimit


@dataclass(frozen=True, slots=True)
class Audiences(Caveat):
    """Credentials may only be issued for one of these audiences."""

    tag = "audiences"
    depends_on = DependsOn.CREDENTIAL
    limit_field = TextsLimit(name="audiences", description="Audiences of credentials.", nothing=())

    audiences: tuple[str, ...] = field(metadata={"description": "names"})

    def __post_init__(self) -> None:
        set_field(self, "audiences", validation.texts(self.audiences, "audiences"))

    def check(self, facts: Facts) -> Failure | None:
        """See :meth:`Caveat.check`."""
        if facts.credential is None or facts.credential.audience in self.audiences:
            return None
        asked = quoted(facts.credential.audience)
        return Failure("audience_not_granted", f"audience {asked} is none of {listed(self.audiences)}")
