"""The caveat ``call``."""

from __future__ import annotations

import re
from dataclasses import field

from tabard._lean import dataclass
from tabard.caveats.base import Caveat, DependsOn
from tabard.caveats.errors import CaveatError
from tabard.caveats.facts import Facts, Failure

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Call(Caveat):
    """Only the one call with this digest may be made."""

    tag = "call"
    depends_on = DependsOn.CALL

    digest: str = field(metadata={"description": "SHA-256 in lower-case hex"})
    """See :func:`tabard.arguments.call_digest`."""

    def __post_init__(self) -> None:
        if not isinstance(self.digest, str) or not _DIGEST.fullmatch(self.digest):
            raise CaveatError("digest of a call must be 64 lower-case hex digits")

    def check(self, facts: Facts) -> Failure | None:
        """See :meth:`Caveat.check`."""
        call = facts.call
        if call is None or call.digest is None or call.digest == self.digest:
            return None
        return Failure("call_mismatch", f"the call's digest is not {self.digest}")
