"""Says what a task's state would be, had its earlier calls been decided otherwise: what was recorded, and what differs from it.

Only differences are kept. As long as there are none, a decision is made on exactly the input that was recorded, also if the log
begins in the middle of a task or holds only some of a zone's sidecars.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tabard_sidecar.facts import NO_FACTS, FactKind, Facts
from tabard_sidecar.policy.authoring.facts import with_facts
from tabard_sidecar.replay.recorded import About, Outcome, Recorded
from tabard_sidecar.replay.verdict import ALLOW, NO_FACTS_LEFT, Scoped, Verdict
from tabard_sidecar.state.store import HISTORY_CALLS
from tabard_sidecar.util.fifo import FifoDict

_REMEMBERED_CALLS = 2 * HISTORY_CALLS
_DIFFERING_CALLS = 3 * HISTORY_CALLS  # more than a history shows, since calls of one moment come in any order
_DIFFERING_OUTCOMES = 1000
_CLOCK_SECONDS = 1e-6  # inputs have times to the microsecond

Path = tuple[str, ...]
Document = dict[str, Any]


class _Made(NamedTuple):
    """A call that is decided otherwise now, or notes other facts, for its later outcome."""

    path: Path
    recorded: bool
    now: bool
    recorded_facts: Scoped[Facts]
    facts: Scoped[Facts]


_AS_RECORDED = _Made((), recorded=True, now=True, recorded_facts=NO_FACTS_LEFT, facts=NO_FACTS_LEFT)


class _Call(NamedTuple):
    """An allowed call as history has it. ``until`` is when its record was written, so it was stored before."""

    tool: str
    labels: tuple[str, ...]
    at: float
    until: float

    def is_at(self, item: Mapping[str, Any]) -> bool:
        """Tell whether an item of a recorded history can be this call."""
        at = item.get("at", 0.0)
        return item.get("tool") == self.tool and self.at - _CLOCK_SECONDS <= at <= self.until + _CLOCK_SECONDS

    def as_json(self) -> Document:
        """Return it as an item of a history."""
        return {"tool": self.tool, "allowed": True, "labels": list(self.labels), "at": self.at}


class _Tally:
    """Counts how many calls add each of some texts, as recorded and as decided now, by where that is read."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[Path, list[int]]] = {}

    def add(self, texts: Iterable[str], path: Path, *, now: bool, by: int = 1) -> None:
        """Count one more call that adds these texts; ``path`` is () for the whole task."""
        for text in texts:
            self._counts.setdefault(text, {}).setdefault(path, [0, 0])[now] += by

    def changed(self, recorded: Iterable[str], path: Path) -> list[str]:
        """Return the recorded texts without those that no call adds any more, and with those that one adds now; sorted."""
        found = set(recorded)
        for text, by_path in self._counts.items():
            before, now = (
                sum(counts[which] for where, counts in by_path.items() if path[: len(where)] == where)
                for which in (False, True)
            )
            if before > 0 >= now:
                found.discard(text)
            elif now > 0 >= before:
                found.add(text)
        return sorted(found)


class Carried:
    """What differs in one task.

    Attributes:
        denied: whether the task isn't started now.
        started: the limits with which it is started now, if its start was read; ``None`` as long as they are as recorded.
    """

    def __init__(self) -> None:
        self.denied = False
        self.expires_at = 0.0
        self.started: tuple[Mapping[str, int], Mapping[str, int]] | None = None
        self._differs = False
        self._closed: set[Path] = set()
        self._charges: dict[tuple[str, Path], int] = {}
        self._labels = _Tally()
        self._sets: dict[str, _Tally] = {}
        self._counters: dict[tuple[str, Path], int] = {}
        self._made: FifoDict[str, _Made] = FifoDict(_DIFFERING_OUTCOMES)
        self._gone: deque[_Call] = deque(maxlen=_DIFFERING_CALLS)
        self._new: deque[_Call] = deque(maxlen=_DIFFERING_CALLS)
        self._calls: deque[_Call] = deque(maxlen=_REMEMBERED_CALLS)
        self._approvals: list[tuple[bytes, Document]] = []

    @property
    def differs(self) -> bool:
        """Whether the task's state isn't what was recorded, or may not be."""
        return self._differs or self.started is not None

    def closes(self, about: About) -> bool:
        """Tell whether the grant of a call was never handed to its holder now."""
        return self.denied or any(about.path[: len(path)] == path for path in self._closed)

    def handed(self, about: About, *, recorded: bool, now: bool) -> None:
        """Note whether the task was handed on, as recorded and now."""
        path = (*about.path, about.handed_to)
        if recorded and not now:
            self._closed.add(path)
        elif now:
            self._closed.discard(path)

    def note(self, recorded: Recorded, before: Verdict, now: Verdict) -> None:
        """Note what a call leaves behind, as recorded and as decided now."""
        about = recorded.about
        if before.observed:
            if not now.allowed:
                return  # it was made, whatever policy says of it
            before = before._replace(effect=ALLOW)
        before, now = _emptied(before), _emptied(now)
        if not before.allowed and not now.allowed:
            return
        labels = _union(now.labels) if now.allowed else ()
        call = _Call(about.tool, labels, about.at, recorded.time)
        if now.allowed:
            self._calls.append(call)
        for which, one in ((False, before), (True, now)):
            self._labels.add(one.labels.task, (), now=which)
            self._labels.add(one.labels.branch, about.path, now=which)
            self._note_facts(one.facts, about.path, now=which)
            self._charge(one.charges, about.path, 1 if which else -1)
        before_labels = _union(before.labels)
        if before.allowed != now.allowed or labels != (before_labels if before.allowed else ()):
            if before.allowed:
                self._gone.append(call._replace(labels=before_labels))
            if now.allowed:
                self._new.append(call)
            self._differs = True
        if before.allowed != now.allowed or before.facts != now.facts:
            self._made[recorded.decision_id] = _Made(
                about.path, before.allowed, now.allowed, before.facts, now.facts
            )
            self._differs = True
        self._differs = self._differs or before.charges != now.charges

    def free(self, call: bytes, approvals: Iterable[Document]) -> None:
        """Note approvals that a call used up and doesn't any more; ``call`` identifies it by tool and arguments."""
        self._approvals += [(call, dict(one)) for one in approvals]
        self._differs = self._differs or bool(self._approvals)

    def freed(self, call: bytes) -> list[Document]:
        """Return the approvals that are left for a call."""
        return [approval for of, approval in self._approvals if of == call]

    def use(self, call: bytes, used: Iterable[Document]) -> None:
        """Use approvals up."""
        for one in used:
            if (call, one) in self._approvals:
                self._approvals.remove((call, one))

    def report(self, outcome: Outcome) -> None:
        """Note the outcome of a call: it counts if the call was made."""
        # A call that isn't decided otherwise was made, by a holder that doesn't matter: its outcome changes nothing.
        made = self._made.get(outcome.decision_id) or _AS_RECORDED
        sides = (
            (False, made.recorded, made.recorded_facts),
            (True, made.now, made.facts),
        )
        for which, allowed, facts in sides:
            if not allowed:
                continue
            self._labels.add(outcome.labels, (), now=which)
            self._charge(outcome.charges, made.path, 1 if which else -1)
            if outcome.failed:
                self._note_facts(facts, made.path, now=which, by=-1)
            else:
                self._note_facts(Scoped(outcome.facts, NO_FACTS), made.path, now=which)

    def apply(self, document: Document, about: About, *, reads_calls: bool) -> None:
        """Change a recorded input into what it would be now."""
        path = about.path
        history = document["history"]
        history["labels"] = self._labels.changed(history["labels"], path)
        if reads_calls and (self._gone or self._new):
            history["calls"] = self._history(history["calls"])
        self._apply_facts(document["task"], path)
        self._apply_budgets(document, path)

    def called(self, before: float) -> bool:
        """Tell whether a call was allowed whose record was written before this time, in seconds since the epoch."""
        return any(call.until < before for call in self._calls)

    def remembered_calls(self) -> list[Document]:
        """Return the last calls that were read from the log, for policies that read them where none were recorded."""
        return [call.as_json() for call in self._calls][-HISTORY_CALLS:]

    @staticmethod
    def with_fact_names(task: Document, kinds: Mapping[str, FactKind]) -> None:
        """Name the facts that grants of this policy note, and no others; those that weren't recorded are empty."""
        filled = with_facts({"task": task}, kinds)["task"].get("facts", {})
        if kinds or "facts" in task:
            task["facts"] = {name: value for name, value in filled.items() if name in kinds}

    def _note_facts(self, facts: Scoped[Facts], path: Path, *, now: bool, by: int = 1) -> None:
        for where, one in (((), facts.task), (path, facts.branch)):
            for name, elements in one.sets.items():
                self._sets.setdefault(name, _Tally()).add(elements, where, now=now, by=by)
            for name, amount in one.counters.items():
                key = (name, where)
                self._counters[key] = self._counters.get(key, 0) + (amount if now else -amount) * by

    def _charge(self, charges: Mapping[str, int], path: Path, sign: int) -> None:
        for name, amount in charges.items():
            key = (name, path)
            self._charges[key] = self._charges.get(key, 0) + sign * amount

    def _history(self, recorded: list[Document]) -> list[Document]:
        kept = list(recorded)
        for call in self._gone:
            place = next((number for number, item in enumerate(kept) if call.is_at(item)), None)
            if place is not None:
                del kept[place]
        older: list[Document] = []
        if len(recorded) >= HISTORY_CALLS:  # earlier ones were left out of it
            first = recorded[0]["at"]
            known = [call for call in self._calls if call not in self._new and call.until < first]
            older = [call.as_json() for call in known]
        added = [call.as_json() for call in self._new]
        found = sorted([*older, *kept, *added], key=lambda item: item["at"])
        return found[-HISTORY_CALLS:]

    def _apply_facts(self, task: Document, path: Path) -> None:
        facts = task.get("facts")
        if facts is None:
            return
        for name, value in facts.items():
            if isinstance(value, list):
                tally = self._sets.get(name)
                if tally is not None:
                    facts[name] = tally.changed(value, path)
            else:
                facts[name] = max(0, value + _visible(self._counters, name, path))

    def _apply_budgets(self, document: Document, path: Path) -> None:
        budgets = document["budgets"]
        if self.started is not None:
            _relimit(budgets, *self.started)
        for name, budget in budgets.items():
            narrowed = _narrowed_at(document["delegation"]["chain"], name, budget["limit"])
            spent = sum(
                amount
                for (of, where), amount in self._charges.items()
                if of == name and where[:narrowed] == path[:narrowed]
            )
            budget["spent"] = max(0, budget["spent"] + spent)
            budget["remaining"] = max(0, min(budget["limit"], budget["remaining"] - spent))


def _relimit(budgets: Document, before: Mapping[str, int], now: Mapping[str, int]) -> None:
    """Put in the limits with which a task is started now."""
    for name in [name for name in budgets if name not in now and name in before]:
        del budgets[name]
    for name, limit in now.items():
        budget = budgets.get(name)
        if budget is None:
            budgets[name] = {"limit": limit, "spent": 0, "remaining": limit}
        elif budget["limit"] == before.get(name) or limit < budget["limit"]:
            budget["remaining"] += limit - budget["limit"]
            budget["limit"] = limit


def _narrowed_at(chain: list[Document], name: str, limit: int) -> int:
    """Return after how many steps of the chain the budget was stated that is shown; 0 if when the task started."""
    for number, link in enumerate(chain, 1):
        for caveat in link["caveats"]:
            if caveat.get("name") == name and caveat.get("limit") == limit:
                return number
    return 0


def _visible(amounts: Mapping[tuple[str, Path], int], name: str, path: Path) -> int:
    return sum(
        amount for (of, where), amount in amounts.items() if of == name and path[: len(where)] == where
    )


def _emptied(verdict: Verdict) -> Verdict:
    """Return a verdict with nothing that a call leaves behind, if it isn't made."""
    return verdict if verdict.allowed else Verdict(verdict.effect, verdict.codes)


def _union(scoped: Scoped[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({*scoped.task, *scoped.branch}))
