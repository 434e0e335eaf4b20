"""Follows the catalogue's file: it is read again when it changed, before the policy that is checked against it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from tabard.files import stamp

from tabard_sidecar.policy.catalogue import Catalogue, CurrentCatalogue, load_catalogue
from tabard_sidecar.policy.conf import CatalogueConfig
from tabard_sidecar.policy.loading.folder import place_stamps
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.util.detached import Detached, StuckError
from tabard_sidecar.util.garbage import let_go

_log = logging.getLogger(__name__)


def create_catalogue(config: CatalogueConfig) -> Catalogue:
    """Return the configured catalogue; an empty one if no path is set.

    Raises:
        PolicyBrokenError: the file can't be used; it holds every problem that was found.
    """
    if config.path is None:
        return Catalogue(config.required)
    return load_catalogue(config.path, required=config.required, trusted=True)


class CatalogueSource:
    """The catalogue in use and the file that it comes from; a file that is broken leaves the last good one in use.

    Args:
        config: the section ``catalogue``.
        load_seconds: how long reading may take.
        report: called with the current problem, or the empty string if there is none.

    Raises:
        PolicyBrokenError: the file can't be used.
    """

    def __init__(self, config: CatalogueConfig, load_seconds: float, report: Callable[[str], None]) -> None:
        self._config = config
        self._load_seconds = load_seconds
        self._report = report
        self._looking = Detached("looking for changes of the catalogue", places=1, often=True)
        self._loading = Detached("loading the catalogue")
        self._seen = self._stamp()
        self.current = CurrentCatalogue(create_catalogue(config))
        report("")

    async def fingerprint(self) -> object:
        """Return a value that changes whenever the file does: inode, size, times, owner and mode."""
        if self._config.path is None:
            return None
        try:
            return await self._looking.run(self._stamp, self._load_seconds)
        except StuckError as error:
            return str(error)

    def _stamp(self) -> object:
        if self._config.path is None:
            return None
        try:
            return stamp(self._config.path.stat())
        except OSError as error:
            return str(error), place_stamps(self._config.path)

    async def refresh(self) -> None:
        """Read the file if it changed. Never raises: see ``report``."""
        seen = await self.fingerprint()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            loaded = await self._loading.run(lambda: create_catalogue(self._config), self._load_seconds)
        except (PolicyBrokenError, StuckError) as error:
            _log.error("catalogue broken", extra={"problem": str(error)})
            self._report(f"the catalogue can't be read, the old one stays: {error}")
            return
        # The tools of a large one take long to free, so a thread does that.
        replaced: list[object] = [*self.current]
        self.current.replace(loaded)
        await asyncio.to_thread(let_go, replaced)
        _log.info("catalogue loaded", extra={"tools": sum(1 for _ in self.current)})
        self._report("")
