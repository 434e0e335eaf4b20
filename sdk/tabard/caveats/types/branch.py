"""The caveat ``branch``."""

from __future__ import annotations

import re
from dataclasses import field
from typing import Any

from tabard._lean import dataclass
from tabard.caveats import validation
from tabard.caveats.base import Caveat, DependsOn
from tabard.caveats.errors import CaveatError

_NONCE = re.compile(r"[A-Za-z0-9_-]{22}")
_MAX_SUB_AGENT = 128


@dataclass(frozen=True, slots=True)
class Branch(Caveat):
    """Hands the grant to a named part of the same workload. ``nonce`` makes the branch unique."""

    tag = "branch"
    depends_on = DependsOn.GRANT
    checked_elsewhere = "nothing to check: the name is asserted"

    sub_agent: str = field(metadata={"description": "name"})
    nonce: str = field(metadata={"description": "16 bytes in base64url"})

    def __post_init__(self) -> None:
        validation.text(self.sub_agent, "sub_agent", maximum=_MAX_SUB_AGENT)
        if not isinstance(self.nonce, str) or not _NONCE.fullmatch(self.nonce):
            raise CaveatError("nonce of a branch must be 16 bytes in base64url")

    def shown_fields(self) -> dict[str, Any]:
        """See :meth:`Caveat.shown_fields`."""
        return {"sub_agent": self.sub_agent}
