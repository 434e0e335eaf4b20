"""The caveat ``third_party``."""

from __future__ import annotations

from dataclasses import field

from tabard._lean import dataclass
from tabard.caveats.base import Caveat, DependsOn


@dataclass(frozen=True, slots=True)
class ThirdParty(Caveat):
    """The grant may only be used with a discharge of the approval that ``id`` names.

    Macaroons have an encoding of their own for it. No signature covers ``location``.
    """

    tag = "third_party"
    depends_on = DependsOn.GRANT
    first_party = False
    checked_elsewhere = (
        "by the sidecar, which verifies the discharge and checks the caveats in it at every call"
    )

    location: str = field(metadata={"description": "hint"})
    id: str = field(metadata={"description": "identifier in base64url"})
