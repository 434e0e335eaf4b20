"""Notices sidecars of the zone that use another state store than this one."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING

from tabard_sidecar.util.rarely import Rarely

if TYPE_CHECKING:
    from tabard_sidecar.health import Component
    from tabard_sidecar.interfaces import Clock

CLOCKS_SECONDS = 120.0
"""How far the clocks of two sidecars may differ: each up to 60 s from that of their store."""
_TOLD_SECONDS = 600.0
_LOG_SECONDS = 60.0
_log = logging.getLogger(__name__)


class StoreSplit:
    """Judges grants of the zone whose tasks this sidecar's store doesn't know.

    A sidecar that runs notices by the epoch if its store loses a task. So a task that was started since this sidecar runs,
    and isn't in its store, was started in another one.

    Args:
        component: where it is reported.
        clock: time in seconds since the epoch.
        place: the address of the store, for messages.
    """

    def __init__(self, component: Component, clock: Clock, place: str) -> None:
        self._component = component
        self._since = clock()
        self._place = place
        self._seen_at = float("-inf")
        self._log = Rarely(_LOG_SECONDS)

    def unknown(self, started_at: float) -> None:
        """Note a verified grant of this workload whose task, started at ``started_at``, the store doesn't know."""
        if started_at <= self._since + CLOCKS_SECONDS:
            return
        self._seen_at = monotonic()
        if self._log.due():
            _log.critical(
                "another sidecar of the zone uses another state store", extra={"place": self._place}
            )
        self.look()

    def look(self) -> None:
        """Report what is known now."""
        if monotonic() < self._seen_at + _TOLD_SECONDS:
            self._component.degraded(
                f"another sidecar of the zone starts tasks in another state store than {self._place}: budgets, labels and "
                "revocations of each count on its own store only; set the same state.url for every sidecar"
            )
        else:
            self._component.ok()
