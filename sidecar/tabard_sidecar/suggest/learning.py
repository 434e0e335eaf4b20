"""Reads what allowed decisions used from a log. What a mask hid is known to be unknown, so nothing is proposed about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

import orjson

from tabard_sidecar.model import Operation
from tabard_sidecar.policy.values import Json
from tabard_sidecar.records.reading import Entry
from tabard_sidecar.replay.not_replayable import Why
from tabard_sidecar.replay.recorded import Recorded
from tabard_sidecar.suggest.sketches import Room, When
from tabard_sidecar.suggest.usage import ASSERTED, Call, PurposeUse, Sample, Usage, rememberable

_DAY_SECONDS: Final = 86_400
_UNEXPECTED = (TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError)
"""What reading members of an unexpected type raises."""

_IDENTITY = ("agent.id", "task.id", "task.purpose", "task.intent_source", "tool.name", "tool.server")
_STATE = ("delegation.depth", "delegation.children", "task.started_at", "context.time", "budgets")


class Learner:
    """Learns what agents used.

    Args:
        start: time of the first decision, seconds since the epoch.
        room: bounds what is remembered.

    Attributes:
        usage: what was learned.
        decisions: allowed decisions that were learned from.
        counts: other decisions, by what they are.
        first: time of the first one that was learned from, seconds since the epoch; 0 without one.
        last: of the last one.
    """

    def __init__(self, start: float, room: Room | None = None) -> None:
        self.usage = Usage(room)
        self.decisions = 0
        self.counts: Counter[str] = Counter()
        self.first = self.last = 0.0
        self._start = start

    def learn(self, entry: Entry, item: Recorded) -> None:
        """Learn from a decision of a log.

        Raises:
            TooMuchError: there is more than can be remembered.
        """
        if item.outcome is not None:
            return
        if not item.verdict.allowed and not _maybe_allowed(entry, item):
            self.counts["not_allowed"] += 1
            return
        hidden = _hidden(entry)
        try:
            if item.not_replayable in {Why.UNKNOWN_CONTRACT, Why.MALFORMED} or _any_hidden(_IDENTITY, hidden):
                raise ValueError("unreadable")
            self._note(entry.input, item, hidden)
        except _UNEXPECTED:
            self.counts["unreadable"] += 1
            return
        self.decisions += 1
        if hidden:
            self.counts["partly_masked"] += 1
        self.first = min(self.first or item.time, item.time)
        self.last = max(self.last, item.time)

    def _note(self, asked: Mapping[str, Any], item: Recorded, hidden: tuple[str, ...]) -> None:
        agent, task = asked["agent"]["id"], asked["task"]
        if not rememberable(agent):
            raise ValueError("no identifier")
        when = When(days_since(item.time, self._start), task_number(item.task_id))
        signed = task["intent_source"] == "signed"
        whole = self.usage.agent(agent)
        if item.operation in {Operation.AUTHORIZE, Operation.RENEW}:
            whole.call(tool_name(asked["tool"]), when)
        use = whole.purpose(str(task["purpose"]) if signed else ASSERTED, when)
        if use is None:
            return
        if item.operation in {Operation.AUTHORIZE, Operation.RENEW}:
            _note_call(use, asked, item, hidden, when)
        elif item.operation == Operation.DELEGATE:
            _note_hand_over(use, asked, hidden, when)
        if _any_hidden(_STATE, hidden):
            use.hide_state()
        else:
            _note_state(use, asked, item, when.day)


def _note_call(
    use: PurposeUse, asked: Mapping[str, Any], item: Recorded, hidden: tuple[str, ...], when: When
) -> None:
    if item.operation == Operation.AUTHORIZE:
        use.evidence.note(when)
    tool = asked["tool"]
    name = tool_name(tool)
    found = use.tool(name, when)
    if found is None:
        return
    sample = None
    if item.input_json and item.operation == Operation.AUTHORIZE and not asked["approvals"]:
        sample = Sample(len(item.input_json), item.decision_id, item.input_json)
    names = tuple(path.split(".", 3)[2] for path in hidden if path.startswith("tool.arguments."))
    unknown = "tool.arguments" in hidden
    arguments = None if unknown else dict(tool["arguments"])
    found.note(Call(name, arguments, names, sample), when)
    if item.operation == Operation.RENEW:
        use.renewed.add(name, when)


def _note_hand_over(use: PurposeUse, asked: Mapping[str, Any], hidden: tuple[str, ...], when: When) -> None:
    use.handed.note(when)
    use.children.note(asked["delegation"]["children"] + 1, when.day)
    holder = asked["request"].get("holder")
    if rememberable(holder) and not _any_hidden(("request.holder",), hidden):
        use.receivers.add(holder, when)
    else:
        use.receivers.give_up()


def _note_state(use: PurposeUse, asked: Mapping[str, Any], item: Recorded, day: int) -> None:
    use.depth.note(asked["delegation"]["depth"], day)
    use.seconds.note(max(0.0, asked["context"]["time"] - asked["task"]["started_at"]), day)
    if item.operation == Operation.AUTHORIZE:
        for name, budget in asked["budgets"].items():
            use.spend(name, budget["spent"] + item.verdict.charges.get(name, 0), day)


def tool_name(tool: Mapping[str, Json]) -> str:
    """Return what the module's rule calls a tool of a policy input."""
    name, server = tool["name"], tool.get("server") or ""
    return f"{server}/{name}" if server else str(name)


def _maybe_allowed(entry: Entry, item: Recorded) -> bool:
    """Tell whether a record that can't be read may be of an allowed decision."""
    return item.not_replayable == Why.MALFORMED and (not entry.done or entry.result.get("decision") != "deny")


def _hidden(entry: Entry) -> tuple[str, ...]:
    """Return the members of the input that the records don't have as they were, with dots between names."""
    found: set[str] = set()
    for record in (entry.first, entry.last):
        for kind in ("erased", "masked"):
            for path in record.get(kind) or ():
                if isinstance(path, str) and (path == "/input" or path.startswith("/input/")):
                    steps = path.split("/")[2:]
                    found.add(".".join(step.replace("~1", "/").replace("~0", "~") for step in steps))
    for place in entry.incomplete:
        members = place.get("members")
        found |= set(map(str, members)) if isinstance(members, list) else {""}
    return tuple(sorted(found))


def _any_hidden(members: tuple[str, ...], hidden: tuple[str, ...]) -> bool:
    """Tell whether one of some members, a part of it or all of what it is in is hidden."""
    return any(_inside(path, member) or _inside(member, path) for path in hidden for member in members)


def _inside(member: str, outer: str) -> bool:
    return not outer or member == outer or member.startswith(f"{outer}.")


def task_number(task: str) -> int:
    """Return a number that stands for a task."""
    return int.from_bytes(blake2b(task.encode(errors="replace"), digest_size=8).digest(), "big")


def days_since(time: float, start: float) -> int:
    """Return how many days (UTC) lie between two times, in seconds since the epoch."""
    return int(time // _DAY_SECONDS) - int(start // _DAY_SECONDS)


def days_of(first: float, last: float) -> int:
    """Return how many days (UTC) a time touches, both ends in seconds since the epoch."""
    return int(last // _DAY_SECONDS) - int(first // _DAY_SECONDS) + 1


def date_of(seconds: float) -> str:
    """Return the day of a time in seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def parsed(sample: Sample) -> dict[str, Any]:
    """Return the policy input of a sample."""
    document: dict[str, Any] = orjson.loads(sample.input_json)
    return document


def learned(items: Iterator[tuple[Entry, Recorded]], start: float, room: Room | None = None) -> Learner:
    """Return what decisions teach.

    Raises:
        TooMuchError: there is more than can be remembered.
    """
    learner = Learner(start, room)
    for entry, item in items:
        learner.learn(entry, item)
    return learner
