"""The caveat ``scopes``."""

from __future__ import annotations

from dataclasses import field

from tabard._lean import dataclass
from tabard.caveats import validation
from tabard.caveats.base import Caveat, DependsOn, set_field
from tabard.caveats.facts import Facts, Failure, listed, quoted
from tabard.caveats.limit_fields import TextsLimit


@dataclass(frozen=True, slots=True)
class Scopes(Caveat):
    """Credentials may only carry these scopes."""

    tag = "scopes"
    depends_on = DependsOn.CREDENTIAL
    limit_field = TextsLimit(name="scopes", description="Scopes of credentials.", nothing=())

    scopes: tuple[str, ...] = field(metadata={"description": "names"})

    def __post_init__(self) -> None:
        set_field(self, "scopes", validation.texts(self.scopes, "scopes"))

    def check(self, facts: Facts) -> Failure | None:
        """See :meth:`Caveat.check`."""
        if facts.credential is None:
            return None
        for scope in facts.credential.scopes:
            if scope not in self.scopes:
                return Failure("scope_not_granted", f"scope {quoted(scope)} is none of {listed(self.scopes)}")
        return None
