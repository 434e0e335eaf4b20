"""Keeps health in step with what the sidecar can do: identity, keys, state store and decision log.

A sidecar that lacks one of them answers every call with an error, so it isn't ready. This is noticed within a second
without any call, by a failed operation at once, and so is that it works again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.health import Component
from tabard_sidecar.keys.model import ROOT, SIGNING
from tabard_sidecar.util.ticks import tick

if TYPE_CHECKING:
    from tabard_sidecar.keys import ZoneKeys
    from tabard_sidecar.server.parts import Parts

_LOOK_SECONDS = 1.0
_log = logging.getLogger(__name__)


class Readiness:
    """Looks at a sidecar's parts, now and every second."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._agent = parts.health.component("agent")
        self._keys = parts.health.component("keys")
        self._clock = parts.health.component("clock")

    async def look(self) -> None:
        """Look once."""
        parts = self._parts
        agent = parts.identity.agent
        _report(self._agent, failure_of(agent.current), agent.problem)
        _report(self._keys, keys_failure(parts.keyring), "; ".join(parts.keyring.problems))
        parts.clock_watch.look()
        _report(self._clock, "", parts.clock_watch.problem)
        await parts.state_standing.look(parts.state)
        parts.store_split.look()
        parts.log.look()

    async def follow(self) -> None:
        """Look every second."""
        while True:
            await tick(_LOOK_SECONDS)
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - the sidecar must not go on with a health that is never looked at
                _log.exception("readiness_unknown")
                self._agent.failed("what the sidecar can do isn't known; the log has details")


def keys_failure(keyring: ZoneKeys) -> str:
    """Return why grants can't be made or credentials not signed; empty if they can."""
    failures = [failure_of(partial(keyring.active, use)) for use in (ROOT, SIGNING)]
    return "; ".join(dict.fromkeys(filter(None, failures)))


def failure_of(work: Callable[[], object]) -> str:
    """Return why no decision can be made with what ``work`` returns; empty if one can."""
    try:
        work()
    except NoDecision as error:
        return error.message
    return ""


def _report(component: Component, failure: str, problem: str) -> None:
    if failure:
        component.failed(failure)
    elif problem:
        component.degraded(problem)
    else:
        component.ok()
