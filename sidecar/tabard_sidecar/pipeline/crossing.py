"""The origin of a task: a person's own token, or another zone that hands it over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.errors import Refused
from tabard_sidecar.model import Handover, Intent, IntentSource, Subject
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from tabard_sidecar.interfaces import HandoverVerifier
    from tabard_sidecar.pipeline.handing_over import HandingOver
    from tabard_sidecar.pipeline.requests import StartTaskRequest
    from tabard_sidecar.reasons import ReasonCode


@dataclass(frozen=True, slots=True)
class Crossing:
    """How tasks cross zones; nothing does unless it is configured.

    Attributes:
        away: hands tasks to other zones.
        here: verifies what they hand over.
        recognise: tells whether a token says that it is a handover.
    """

    away: HandingOver | None = None
    here: HandoverVerifier | None = None
    recognise: Callable[[str], bool] | None = None

    def says(self, token: str) -> bool:
        """Tell whether a token says that it is a handover; it then is one, or is refused."""
        return self.recognise is not None and self.recognise(token)

    async def accepted(self, token: str, holder: str) -> Handover:
        """Return what another zone hands to this workload.

        Raises:
            Refused: the token isn't acceptable, or no zone is trusted.
            NoDecision: the zone's keys are unavailable.
        """
        if self.here is None:
            raise Refused("handover_untrusted", "this zone accepts tasks of no other zone (handover.accept)")
        return await self.here.verify(token, holder)

    def to(self, zone: str) -> HandingOver | None:
        """Return what hands tasks to a zone; ``None`` for this zone, which has no name here.

        Raises:
            Refused: tasks aren't handed to that zone.
        """
        if not zone:
            return None
        if self.away is None:
            raise Refused("handover_refused", "tasks of this zone are handed to no other (handover.to)")
        self.away.check(zone)
        return self.away


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked for a task and for what; ``handover`` if another zone says so."""

    subject: Subject
    intent: Intent = Intent("", "", IntentSource.ASSERTED)
    handover: Handover | None = None

    @property
    def issued_at(self) -> float:
        """When the person's authority is from."""
        return self.subject.issued_at if self.handover is None else self.handover.task_started_at


def check_said(request: StartTaskRequest, signed: Intent, code: ReasonCode) -> None:
    """Check that what a request says about its intent is what was signed.

    Raises:
        Refused: it differs; with that code.
    """
    for name, said, known in (
        ("purpose", request.purpose, signed.purpose),
        ("statement", request.statement, signed.statement),
    ):
        if said not in {"", known}:
            raise Refused(code, f"the request's {name} differs from the signed one")
