"""The caveat ``hop``."""

from __future__ import annotations

import re
from dataclasses import field
from json.encoder import encode_basestring
from typing import Any

from tabard._lean import dataclass
from tabard.caveats.base import Caveat, DependsOn
from tabard.caveats.errors import CaveatError

_SEAL = re.compile(r"[A-Za-z0-9_-]{43}")
_HOLDER = re.compile(r"spiffe://[a-z0-9._-]{1,255}((?:/[A-Za-z0-9._-]+)+)")
_MAX_HOLDER = 2048


@dataclass(frozen=True, slots=True)
class Hop(Caveat):
    """Hands the grant to another workload. ``seal`` proves that a sidecar of the zone appended the hop."""

    tag = "hop"
    depends_on = DependsOn.GRANT
    checked_elsewhere = "by the sidecar, which verifies the seal with the signatures"

    holder: str = field(metadata={"description": "SPIFFE ID"})
    seal: str = field(metadata={"description": "32 bytes in base64url"})

    def __post_init__(self) -> None:
        holder(self.holder)
        if not isinstance(self.seal, str) or not _SEAL.fullmatch(self.seal):
            raise CaveatError("seal of a hop must be 32 bytes in base64url")

    def shown_fields(self) -> dict[str, Any]:
        """See :meth:`Caveat.shown_fields`."""
        return {"holder": self.holder}


def hop_bytes(holder: str) -> bytes:
    """Return what the seal of a hop covers besides the signature before it: its canonical encoding without the seal."""
    return f'{{"holder":{encode_basestring(holder)},"type":"hop"}}'.encode()


def holder(value: object) -> str:
    """Return ``value`` if it is a SPIFFE ID.

    Raises:
        CaveatError: it isn't.
    """
    parsed = _HOLDER.fullmatch(value) if isinstance(value, str) and len(value) <= _MAX_HOLDER else None
    if parsed is None or any(segment in {".", ".."} for segment in parsed[1].split("/")):
        raise CaveatError("holder must be a SPIFFE ID such as spiffe://example.org/ns/default/sa/agent")
    return str(value)
