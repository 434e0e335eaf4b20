"""Counts what a replay changes, in groups with examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import field
from operator import attrgetter
from typing import Any, NamedTuple

from tabard_sidecar.replay.comparing import Change
from tabard_sidecar.replay.recorded import Recorded
from tabard_sidecar.replay.verdict import Verdict
from tabard_sidecar.util.lean import dataclass

MOST_GROUPS = 5_000
"""Most groups that are told apart. Changes beyond them count in one group for each kind of change."""
OTHERS = "(others)"
_DAY_SECONDS = 86_400


class Key(NamedTuple):
    """What the changes of a group have in common. ``rules`` are those that decide now."""

    change: Change
    agent: str
    tool: str
    rules: tuple[str, ...]


class Example(NamedTuple):
    """One changed decision. ``carried`` tells whether only the task's state makes the difference."""

    timestamp: str
    decision_id: str
    task_id: str
    operation: str
    person: str
    carried: bool
    before: dict[str, Any]
    now: dict[str, Any]


@dataclass(slots=True)
class Group:
    """Changes that have a key in common: how many, how many of them only by the task's state, and the first of them."""

    count: int = 0
    carried: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """What a replay found.

    Attributes:
        most_examples: how many examples each group keeps: the earliest.
        decided: decisions that were decided again.
        effects: how many of them had which effect before and have which now.
        changed: decisions with at least one change.
        groups: by key.
        not_replayable: decisions that couldn't be decided again, by why.
        skipped: records that aren't decisions of a policy, by what they are.
        days: changes by day (since the epoch) and kind.
        revisions: decided decisions by the revision of the recorded policy.
        first: time of the earliest decision, seconds since the epoch; 0 without one.
        last: of the latest.
    """

    most_examples: int = 3
    decided: int = 0
    changed: int = 0
    effects: Counter[tuple[str, str]] = field(default_factory=Counter)
    groups: dict[Key, Group] = field(default_factory=dict)
    not_replayable: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    days: Counter[tuple[int, str]] = field(default_factory=Counter)
    revisions: Counter[str] = field(default_factory=Counter)
    first: float = 0.0
    last: float = 0.0

    def count(
        self, recorded: Recorded, before: Verdict, now: Verdict, changes: Iterable[Change], *, carried: bool
    ) -> None:
        """Count a decision that was decided again, with how it changes."""
        self.decided += 1
        self.effects[before.effect, now.effect] += 1
        self.revisions[recorded.revision] += 1
        self.first = min(self.first or recorded.time, recorded.time)
        self.last = max(self.last, recorded.time)
        found = tuple(changes)
        self.changed += bool(found)
        for change in found:
            key = Key(change, recorded.about.agent, recorded.about.tool or recorded.operation, now.codes)
            self._add(key, recorded, before, now, carried=carried)
            self.days[int(recorded.time // _DAY_SECONDS), change.value] += 1

    def merge(self, other: Report) -> None:
        """Add what another part of the replay found."""
        self.decided += other.decided
        self.changed += other.changed
        for name in ("effects", "not_replayable", "skipped", "days", "revisions"):
            getattr(self, name).update(getattr(other, name))
        self.first = min(filter(None, (self.first, other.first)), default=0.0)
        self.last = max(self.last, other.last)
        for key, group in other.groups.items():
            mine = self._group(key)
            mine.count += group.count
            mine.carried += group.carried
            mine.examples = _earliest([*mine.examples, *group.examples], self.most_examples)

    def totals(self) -> dict[Change, int]:
        """Return how many decisions change in each way; every way is there."""
        found = dict.fromkeys(Change, 0)
        for key, group in self.groups.items():
            found[key.change] += group.count
        return found

    def ordered(self) -> list[tuple[Key, Group]]:
        """Return the groups: by kind of change, then the largest first."""
        order = {change: place for place, change in enumerate(Change)}
        return sorted(self.groups.items(), key=lambda one: (order[one[0].change], -one[1].count, one[0]))

    def _add(self, key: Key, recorded: Recorded, before: Verdict, now: Verdict, *, carried: bool) -> None:
        group = self._group(key)
        group.count += 1
        group.carried += carried
        if len(group.examples) < self.most_examples or recorded.timestamp < group.examples[-1].timestamp:
            example = Example(
                recorded.timestamp,
                recorded.decision_id,
                recorded.task_id,
                recorded.operation,
                recorded.about.person,
                carried,
                before.as_json(),
                now.as_json(),
            )
            group.examples = _earliest([*group.examples, example], self.most_examples)

    def _group(self, key: Key) -> Group:
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) >= MOST_GROUPS:
                key = Key(key.change, OTHERS, OTHERS, ())
            group = self.groups.setdefault(key, Group())
        return group

    def as_json(self) -> dict[str, Any]:
        """Return the report for scripts."""
        return {
            "decided": self.decided,
            "changed": self.changed,
            "from": self.first,
            "to": self.last,
            "effects": [
                {"before": before, "now": now, "count": count}
                for (before, now), count in sorted(self.effects.items())
            ],
            "changes": {change.value: count for change, count in self.totals().items()},
            "not_replayable": dict(sorted(self.not_replayable.items())),
            "skipped": dict(sorted(self.skipped.items())),
            "recorded_revisions": dict(self.revisions.most_common()),
            "days": [
                {"day": day, "change": change, "count": count}
                for (day, change), count in sorted(self.days.items())
            ],
            "groups": [_group_json(key, group) for key, group in self.ordered()],
        }


def _group_json(key: Key, group: Group) -> dict[str, Any]:
    return {
        "change": key.change.value,
        "agent": key.agent,
        "tool": key.tool,
        "rules": list(key.rules),
        "count": group.count,
        "by_state": group.carried,
        "examples": [example._asdict() for example in group.examples],
    }


def _earliest(examples: list[Example], most: int) -> list[Example]:
    return sorted(examples, key=attrgetter("timestamp", "decision_id"))[:most]


def summed(reports: Iterable[Report], most_examples: int) -> Report:
    """Return one report of several parts."""
    whole = Report(most_examples)
    for report in reports:
        whole.merge(report)
    return whole
