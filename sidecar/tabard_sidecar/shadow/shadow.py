"""The candidate policy as the sidecar sees it: what it was offered, what it would have decided otherwise, how it fares."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, Protocol

from tabard_sidecar.config import Settings
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import Clock, DecisionRecord
from tabard_sidecar.records.reading import SHADOW
from tabard_sidecar.shadow.process import CandidateProcess
from tabard_sidecar.shadow.protocol import Told
from tabard_sidecar.shadow.tap import Waiting, matters
from tabard_sidecar.util.background import Background
from tabard_sidecar.util.jsontext import encode
from tabard_sidecar.util.lean import dataclass

_REPORT_SECONDS = 5.0
_WRITING = 64
"""Most differences that wait for the decision log."""
_log = logging.getLogger(__name__)


class ShadowState(StrEnum):
    """How the candidate fares."""

    STARTING = "starting"
    RUNNING = "running"
    BROKEN = "broken"
    """Its files can't be used."""
    FAILING = "failing"
    """Its process ended, and is started again after a pause."""


class Drop(StrEnum):
    """Why a record wasn't given to the candidate."""

    BEHIND = "behind"
    NOT_RUNNING = "not_running"


class ShadowInstruments(Protocol):
    """Counts for metrics."""

    def shadow_decided(self, result: str, count: int) -> None:
        """Count decisions: ``same``, a kind of change, or ``not_decided``."""
        ...

    def shadow_dropped(self, why: str) -> None:
        """Count a record that the candidate didn't get."""
        ...

    def shadow_failed(self) -> None:
        """Count an end of the candidate's process."""
        ...

    def shadow_running(self, *, running: bool) -> None:
        """Tell whether the candidate decides."""
        ...


@dataclass(slots=True)
class ShadowStatus:
    """How the candidate fares.

    Attributes:
        state: see :class:`ShadowState`.
        revision: of the candidate that decides, or decided last.
        base: revision of the policy's files when it was loaded; empty if they couldn't be read.
        since: when it was loaded, seconds since the epoch; 0 if it never was.
        decided: decisions that it decided, too, since then.
        changed: how many of them it would have decided otherwise.
        changes: these by kind of change.
        not_decided: decisions that it couldn't decide, by why.
        unrecorded: differences that have no record of their own, because there were many at once or the decision log has
            little room.
        dropped: records that it didn't get since the sidecar started, by why.
        failures: how often its process ended since the sidecar started.
        problems: why it is broken or failing.
    """

    state: ShadowState = ShadowState.STARTING
    revision: str = ""
    base: str = ""
    since: float = 0.0
    decided: int = 0
    changed: int = 0
    changes: Mapping[str, int] = field(default_factory=dict)
    not_decided: Mapping[str, int] = field(default_factory=dict)
    unrecorded: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    problems: tuple[str, ...] = ()


class Shadow:
    """Tries the candidate.

    Args:
        settings: the sidecar's configuration, with ``policy.shadow``.
        write: writes a record that nothing waits for; returns whether it was written.
        instruments: counts.
        report: called with the current problem, or the empty string if there is none.
        clock: time in seconds since the epoch.
    """

    def __init__(
        self,
        settings: Settings,
        write: Callable[[DecisionRecord], Awaitable[bool]],
        instruments: ShadowInstruments,
        report: Callable[[str], None],
        clock: Clock,
    ) -> None:
        most = settings.policy.shadow.max_waiting if settings.policy.shadow is not None else 1
        self._write = write
        self._instruments = instruments
        self._report = report
        self._clock = clock
        self._waiting = Waiting(most)
        self._process = CandidateProcess(settings, self._waiting, self._hear, self._ended)
        self._writing = Background("shadow-record")
        self._task: asyncio.Task[None] | None = None
        self._skipped = 0
        self.status = ShadowStatus()

    def start(self) -> None:
        """Start the candidate's process; return at once."""
        self._report("")
        self._task = asyncio.create_task(self._process.run(), name="shadow")

    async def stop(self) -> None:
        """End the process."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._writing.settle(1.0)

    def offer(self, record: DecisionRecord) -> None:
        """Give a record to the candidate as soon as it has time; drop it if too many wait. Never raises."""
        if not matters(record):
            return
        if self.status.state is not ShadowState.RUNNING:
            self._drop(Drop.NOT_RUNNING)
        elif not self._waiting.offer(record):
            self._drop(Drop.BEHIND)

    @property
    def waiting(self) -> int:
        """How many records wait for the candidate."""
        return len(self._waiting)

    @property
    def pid(self) -> int:
        """The candidate's process; 0 if there is none."""
        return self._process.pid

    async def differences(self, most_groups: int) -> dict[str, Any]:
        """Return the report of what the candidate would have decided otherwise, as ``tabard replay --json`` has it.

        Raises:
            NoDecision: the candidate gives none.
        """
        try:
            async with asyncio.timeout(_REPORT_SECONDS):
                found = await self._process.ask(most_groups)
        except TimeoutError as error:
            message = f"the candidate gave no report within {_REPORT_SECONDS:g} s; it is behind"
            raise NoDecision("UNAVAILABLE", "shadow_unavailable", message) from error
        if found is None:
            why = "; ".join(self.status.problems) or "it is being started"
            raise NoDecision("UNAVAILABLE", "shadow_unavailable", f"the candidate isn't running: {why}")
        return found

    def _drop(self, why: Drop) -> None:
        self.status.dropped[why] += 1
        self._instruments.shadow_dropped(why)

    def _ended(self, problem: str) -> None:
        status = self.status
        status.state, status.problems = ShadowState.FAILING, (problem,)
        status.failures += 1
        self._waiting.clear()
        self._instruments.shadow_failed()
        self._instruments.shadow_running(running=False)
        self._report(f"the candidate policy isn't tried: {problem}")

    def _hear(self, kind: Told, found: dict[str, Any]) -> None:
        if kind is Told.LOADED:
            self._loaded(str(found["revision"]), str(found["base"]))
        elif kind is Told.BROKEN:
            self._broken(tuple(map(str, found["problems"])))
        elif kind is Told.COUNTS:
            self._count(found)
        elif kind is Told.DIFFERENCE:
            self._differs(found)

    def _loaded(self, revision: str, base: str) -> None:
        before = self.status
        self.status = ShadowStatus(
            ShadowState.RUNNING,
            revision,
            base,
            self._clock(),
            dropped=before.dropped,
            failures=before.failures,
        )
        self._skipped = 0
        self._instruments.shadow_running(running=True)
        self._report("")
        _log.info("shadow: candidate loaded", extra={"revision": revision})

    def _broken(self, problems: tuple[str, ...]) -> None:
        self.status.state, self.status.problems = ShadowState.BROKEN, problems
        self._waiting.clear()
        self._instruments.shadow_running(running=False)
        self._report("the candidate policy can't be used: " + "; ".join(problems[:1]))
        _log.warning("shadow: candidate broken", extra={"problems": list(problems)})

    def _count(self, found: dict[str, Any]) -> None:
        status, count = self.status, self._instruments.shadow_decided
        count("same", _grown(found["decided"] - found["changed"], status.decided - status.changed))
        for change, number in found["changes"].items():
            count(change, _grown(number, status.changes.get(change, 0)))
        count("not_decided", _grown(sum(found["not_decided"].values()), sum(status.not_decided.values())))
        status.decided, status.changed = int(found["decided"]), int(found["changed"])
        status.changes, status.not_decided = found["changes"], found["not_decided"]
        status.unrecorded = int(found["unrecorded"]) + self._skipped

    def _differs(self, found: dict[str, Any]) -> None:
        if len(self._writing) >= _WRITING:
            self._skipped += 1
            return
        self._writing.start(self._recorded(_record(found, self.status.revision, self._clock())))

    async def _recorded(self, record: DecisionRecord) -> None:
        if not await self._write(record):
            self._skipped += 1


def _grown(now: int, before: int) -> int:
    return max(0, now - before)


def _record(found: Mapping[str, Any], candidate: str, now: float) -> DecisionRecord:
    asked = {
        "subject": {"id": found["person"]},
        "agent": {"id": found["agent"]},
        "task": {"id": found["task_id"]},
        "tool": {"name": found["tool"], "server": found["server"]},
    }
    result = {
        "changes": found["changes"],
        "by_state": found["by_state"],
        "candidate": candidate,
        "before": found["before"],
        "now": found["now"],
    }
    return DecisionRecord(
        SHADOW,
        str(found["decision_id"]),
        str(found["operation"]),
        now,
        encode(asked),
        result,
        str(found["revision"]),
    )
