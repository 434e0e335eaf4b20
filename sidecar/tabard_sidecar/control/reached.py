"""A zone whose state store the service reaches: what is revoked there, and which credentials are active."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from tabard_sidecar.credentials import build_issuers
from tabard_sidecar.credentials.active import active
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.revocation import build_revocation
from tabard_sidecar.state.factory import create_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from tabard_sidecar.control.conf import ZoneConfig
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.keys import ZoneKeys
    from tabard_sidecar.model import Introspection

_RETRY_SECONDS = 5.0
_MAX_TASK_SECONDS = 30 * 86_400.0
"""The longest life that a zone's task can have; what is revoked here is kept at least so long."""
_log = logging.getLogger(__name__)


class ReachedZone:
    """Follows one zone's state store from :meth:`run` on. A store that can't be used concerns no other zone.

    Args:
        name: the zone.
        config: its section.
        keys: its keys.
        report: called with the current problem, or the empty string if there is none.
        clock: wall-clock time in seconds.
    """

    def __init__(
        self,
        name: str,
        config: ZoneConfig,
        keys: ZoneKeys,
        report: Callable[[str], None],
        *,
        clock: Clock = time.time,
    ) -> None:
        self.name = name
        self.config = config
        self.keys = keys
        self._clock = clock
        self._report = report
        self._issuers = build_issuers(config.credentials, zone=name, keyring=keys, clock=clock)
        self.store = create_store(config.state, name)
        self.revoking = build_revocation(
            config.revocation, self.store, clock=clock, max_task_seconds=_MAX_TASK_SECONDS, report=report
        )
        self._reached = False
        report("its state store hasn't answered since the service started")

    def check_reached(self) -> None:
        """Check that the zone's revocations were read.

        Raises:
            NoDecision: they weren't since the start.
        """
        if not self._reached:
            raise NoDecision(
                "UNAVAILABLE", "state_unavailable", f"the state store of zone {self.name} hasn't answered yet"
            )

    async def active(self, value: str) -> Introspection | None:
        """Describe a credential that is active now; ``None`` for every other string.

        Raises:
            NoDecision: the state store can't be reached.
        """
        self.check_reached()
        return await active(self._issuers, self.revoking.checks, value, now=self._clock())

    async def run(self) -> None:
        """Connect, again and again until it succeeds, then follow what is revoked; until cancelled."""
        try:
            while True:
                self._reached = self._reached or await self._connected()
                await asyncio.sleep(_RETRY_SECONDS)
        finally:
            await self.revoking.stop()
            await self.store.close()

    async def _connected(self) -> bool:
        try:
            await self.store.open()
            await self.revoking.start()
        except NoDecision as error:
            problem = error.message
        except ValueError as error:  # a server that can't be used as it is, and says so
            problem = str(error)
        except Exception:  # noqa: BLE001 - the zone must be tried again, and other zones go on
            _log.exception("state store can't be used", extra={"zone": self.name})
            problem = "its state store can't be used; the log has details"
        else:
            _log.info("state store reached", extra={"zone": self.name})
            return True
        await self.store.close()
        _log.warning("state store can't be used", extra={"zone": self.name, "problem": problem})
        self._report(problem)
        return False
