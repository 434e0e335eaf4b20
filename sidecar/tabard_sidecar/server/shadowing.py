"""Ties the candidate policy to a sidecar: its log, metrics, health and the policy that decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import DecisionRecord
from tabard_sidecar.policy.conf import PolicyConfig, ShadowConfig
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.shadow.promoting import Promoted, PromotionError, promote
from tabard_sidecar.shadow.shadow import Shadow
from tabard_sidecar.shadow.tap import TappedLog
from tabard_sidecar.util.detached import Detached, StuckError
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_opa import Engine

    from tabard_sidecar.config import Settings
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.policy.runtime import Runtime
    from tabard_sidecar.records.decision_log import SinkDecisionLog
    from tabard_sidecar.records.metrics import Metrics

_ROOM = 4
"""Differences leave at least this share of ``audit.max_total_bytes`` to the records of decisions: a fourth."""


@dataclass(frozen=True, slots=True)
class Done:
    """A promotion: what was written, the revision that decides now, and why it isn't the new one if it isn't."""

    promoted: Promoted
    revision: str
    problems: tuple[str, ...]


class Shadowing:
    """The candidate of a sidecar.

    Args:
        settings: the sidecar's configuration, with ``policy.shadow``.
        config: its section.
        log: the decision log.
        metrics: count.
        report: called with the current problem, or the empty string if there is none.
        clock: time in seconds since the epoch.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - one argument per part
        self,
        settings: Settings,
        config: ShadowConfig,
        log: SinkDecisionLog,
        metrics: Metrics,
        report: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self.config = config
        self._policy_config = settings.policy
        self._log = log
        self._room = settings.audit.max_total_bytes // _ROOM
        self.shadow = Shadow(settings, self._write, metrics, report, clock)
        self.tapped = TappedLog(log, self.shadow.offer)
        self._promoting = Detached("promoting the candidate policy", places=1)
        self._live: tuple[Runtime, Engine, CompileOptions] | None = None

    def beside(self, policy: Runtime, engine: Engine, options: CompileOptions) -> None:
        """Name the policy that decides, its engine and how it is compiled."""
        self._live = policy, engine, options

    @property
    def live_revision(self) -> str:
        """Revision of the policy that decides."""
        return self._live[0].revision if self._live is not None else ""

    async def promote(self, revision: str, base: str) -> Done:
        """Put the candidate into the place of the policy that decides, and load it.

        Args:
            revision: of the candidate that is meant.
            base: revision of the policy that it may replace.

        Raises:
            NoDecision: it can't be done; nothing was changed.
        """
        if self._live is None:
            raise RuntimeError("no policy decides")
        policy, engine, options = self._live
        config: PolicyConfig = self._policy_config
        try:
            done = await self._promoting.run(
                lambda: promote(engine, config, options, revision, base), config.load_seconds
            )
        except (PromotionError, StuckError) as error:
            raise NoDecision("FAILED_PRECONDITION", "shadow_not_promotable", str(error)) from error
        status = await policy.reload()
        return Done(done, status.revision, tuple(map(str, status.problems)))

    async def _write(self, record: DecisionRecord) -> bool:
        return await self._log.aside(record, self._room)
