"""Decides the last decisions of a log by the policy at hand, and tells what that changes since the last time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tabard_sidecar.replay.judging import Difference, Plan, Side, Sides, judging
from tabard_sidecar.replay.recorded import Recorded
from tabard_sidecar.replay.report import Report


class Moved(NamedTuple):
    """A decision that isn't what it was the last time.

    Attributes:
        recorded: the decision.
        before: its verdict the last time, as ``--json`` shows it.
        now: its verdict by now.
    """

    recorded: Recorded
    before: Mapping[str, Any]
    now: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        return {
            "decision_id": self.recorded.decision_id,
            "timestamp": self.recorded.timestamp,
            "person": self.recorded.about.person,
            "tool": self.recorded.about.tool or self.recorded.operation,
            "before": dict(self.before),
            "now": dict(self.now),
        }


class Again(NamedTuple):
    """What deciding again found: what changes compared with the log, and what moved since the last time."""

    report: Report
    moved: tuple[Moved, ...]


class DecidingAgain:
    """Decides the same decisions whenever a policy changes; remembers what it found the last time."""

    def __init__(self) -> None:
        self._last: dict[str, Difference] | None = None

    def decide(self, side: Side, decisions: Sequence[Recorded], most_examples: int) -> Again:
        """Decide by a policy, each task with what the policy does to it.

        Raises:
            PolicyBrokenError: the policy can't be used.
        """
        found: dict[str, Difference] = {}

        def tell(difference: Difference) -> None:
            found[difference.recorded.decision_id] = difference

        with judging(Plan(lambda: Sides(side, None), most_examples=most_examples), tell) as judge:
            asyncio.run(judge.judge(decisions))
            report = judge.report
        before, self._last = self._last, found
        return Again(report, () if before is None else tuple(_moved(decisions, before, found)))


def _moved(
    decisions: Sequence[Recorded], before: Mapping[str, Difference], now: Mapping[str, Difference]
) -> list[Moved]:
    """Return what differs between two times; a decision that isn't among them is as it was recorded."""
    found = []
    for item in decisions:
        one, other = before.get(item.decision_id), now.get(item.decision_id)
        was, new = (each.now.as_json() if each else item.verdict.as_json() for each in (one, other))
        if (one is None) is not (other is None) or (one is not None and was != new):
            found.append(Moved(item, was, new))
    return found
