"""Reads again what can change while the sidecar serves, and tells what can't."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pydantic import BaseModel

from tabard_sidecar.config import Settings
from tabard_sidecar.util.problems import SourceError

if TYPE_CHECKING:
    from tabard_sidecar.server.parts import Parts

Reread = Callable[[], Settings]
"""Reads the configuration again, with the same flags; raises ``SourceError`` if it has mistakes."""

_log = logging.getLogger(__name__)


class Reloading:
    """What SIGHUP does.

    Args:
        parts: the sidecar's parts.
        reread: reads the configuration again; ``None`` if it doesn't come from a file.
    """

    def __init__(self, parts: Parts, reread: Reread | None) -> None:
        self._parts = parts
        self._reread = reread
        # Known from the start on: a component that appears with a reload would make the sidecar not ready meanwhile.
        self._health = parts.health.component("configuration")
        self._health.ok()

    async def reload(self) -> None:
        """Read keys, catalogue and policy again, reopen the decision log, and look for changes of the configuration."""
        parts = self._parts
        _log.info("reloading")
        parts.keyring.refresh()
        await parts.policy.reload()  # which reads the catalogue first
        parts.log.reopen()
        await self._compare()

    async def _compare(self) -> None:
        """Tell which settings differ from those that the sidecar works with: they count from the next start on."""
        if self._reread is None:
            return
        try:
            changed = list(differences(self._parts.settings, await asyncio.to_thread(self._reread)))
        except SourceError as error:
            problems = [str(problem) for problem in error.problems]
            _log.error("configuration broken", extra={"problems": problems})
            self._health.degraded(
                f"the file has mistakes, the sidecar goes on without it: {'; '.join(problems)}"
            )
            return
        if not changed:
            self._health.ok()
            return
        _log.warning("configuration not reloaded", extra={"changed": changed, "next": "restart the sidecar"})
        self._health.degraded(f"restart the sidecar, so that it uses what changed: {', '.join(changed)}")


def differences(old: BaseModel, new: BaseModel, prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of settings that differ, never their values."""
    for name in type(old).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        if isinstance(before, BaseModel) and type(before) is type(after):
            yield from differences(before, after, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
