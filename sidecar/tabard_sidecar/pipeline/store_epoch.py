"""Detects a state store that lost acknowledged writes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from tabard_sidecar.errors import Refused
from tabard_sidecar.interfaces import Clock
from tabard_sidecar.state import StateStore
from tabard_sidecar.state.rollback import rollback

_log = logging.getLogger(__name__)


class StoreEpoch:
    """Keeps the highest epoch that the store has shown; every write of the zone raises it.

    Args:
        state: the zone's state store.
        clock: time in seconds since the epoch (1970).
        on_rollback: called, in order, when the store shows a lower epoch than before.
    """

    def __init__(self, state: StateStore, clock: Clock, on_rollback: Sequence[Callable[[], None]]) -> None:
        self._state = state
        self._clock = clock
        self._on_rollback = on_rollback
        self.highest = 0
        """Highest epoch seen. Read it before the store is asked, and pass it to :meth:`check` afterwards."""

    async def check(self, epoch: int, *, before: int) -> None:
        """Check that the store's epoch didn't fall below ``before``, the highest one when the store was asked.

        Raises:
            Refused: it did. Every task that was started until now is revoked.
            NoDecision: it did, and the revocation can't be written.
        """
        if epoch >= before:
            self.highest = max(self.highest, epoch)
            return
        _log.critical("state store went back in time", extra={"epoch": epoch, "seen": before})
        for tell in self._on_rollback:
            tell()
        reason = f"the store's epoch went back from {before} to {epoch}"
        await self._state.revoke(rollback(self._clock(), reason))
        # Last: until the revocation is written, every request has to notice the loss.
        self.highest = epoch
        raise Refused(
            "state_rolled_back", "the state store has lost acknowledged writes; start the task again"
        )

    async def check_write(self, epoch: int, *, before: int) -> None:
        """Check the epoch that a write returned, as :meth:`check` does.

        Compares the epoch before the write: its own increment would hide that another write is missing.
        """
        if epoch <= before:
            await self.check(epoch - 1, before=before)
        self.highest = max(self.highest, epoch)
