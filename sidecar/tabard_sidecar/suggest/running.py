"""Makes a suggestion: learns from the earlier part of a log, proposes, and replays the proposal on both parts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from tabard_opa import Engine

from tabard_sidecar.policy.authoring.scaffold import require_module_name
from tabard_sidecar.records.reading import Entry
from tabard_sidecar.replay.judging import Plan, Sides
from tabard_sidecar.replay.processes import replay
from tabard_sidecar.replay.recorded import Recorded
from tabard_sidecar.replay.report import Report
from tabard_sidecar.replay.verdict import ALLOW, ASK, DENY
from tabard_sidecar.suggest.cases import drafts
from tabard_sidecar.suggest.learning import Learner, date_of, days_of, learned
from tabard_sidecar.suggest.module import module_text
from tabard_sidecar.suggest.proposing import REGULAR, Kind, Proposal, accepting, propose
from tabard_sidecar.suggest.thresholds import MEANINGS, Thresholds
from tabard_sidecar.suggest.trying import Policy, holding, put_beside, require_sound
from tabard_sidecar.suggest.written import data_text, data_tree

_DAY_SECONDS: Final = 86_400.0
_WHOLE_DAYS: Final = 4
_WIDTH: Final = {DENY: 0, ASK: 1, ALLOW: 2}

Entries = Callable[[], Iterable[tuple[Entry, Recorded]]]
"""Reads the decisions of a log from its begin, by their time."""


class Wanted(NamedTuple):
    """What is wanted of a suggestion.

    Attributes:
        policy: beside which the proposal is put.
        thresholds: how much evidence is enough.
        name: of the module.
        held_out: share of the log's time, its later part, of which nothing is learned.
        kinds: restrictions that are proposed.
        accept_later: whether what the held-out part used stays allowed as well.
        ignore_unreadable: whether allowed decisions that can't be read count as if they weren't there.
        jobs: processes that replay.
        most_examples: examples of each group of changes.
    """

    policy: Policy
    thresholds: Thresholds
    name: str
    held_out: float = 0.25
    kinds: frozenset[Kind] = REGULAR
    accept_later: bool = False
    ignore_unreadable: bool = False
    jobs: int = 1
    most_examples: int = 1000


class Suggestion(NamedTuple):
    """A proposal, and what became of it.

    Attributes:
        proposal: what is proposed; with ``accept_later`` wide enough for the held-out part, too, and with what the whole log
            is evidence for.
        learner: what was learned from, and what wasn't.
        cut: end of the part that was learned from, seconds since the epoch.
        until: end of the log.
        files: what an author reviews and adds to the policy, by path; empty if nothing is proposed.
        training: what the proposal changes in the part that it was learned from.
        held_out: what it changes in the rest; ``None`` for both if nothing is proposed.
        accepted: with ``accept_later``, what the proposal would have changed in the rest before that was accepted.
        refused: why the proposal mustn't be written; empty if it may.
    """

    proposal: Proposal
    learner: Learner
    cut: float
    until: float
    files: dict[str, str]
    training: Report | None
    held_out: Report | None
    refused: str
    accepted: Report | None = None

    @property
    def denied(self) -> int:
        """Decisions of both parts that are denied or asked about now and wouldn't be by the current policy.

        In the part that was learned from these are calls that were denied then, too, by an older policy.
        """
        return sum(crossed(one, narrower=True) for one in (self.training, self.held_out) if one is not None)


def suggest(
    wanted: Wanted, entries: Entries, span: tuple[float, float], sides: Callable[[Path], Callable[[], Sides]]
) -> Suggestion:
    """Return a suggestion for a log.

    Args:
        wanted: see there.
        entries: the log.
        span: time of its first and its last decision, seconds since the epoch.
        sides: returns what loads the policy of a folder and the current one, to compare; it runs in other processes.

    Raises:
        PolicyBrokenError: the policy can't be used, or not together with the proposal.
        ReplayError: a process failed.
        ScaffoldError: ``name`` isn't one for a module.
        TooMuchError: the log holds more than can be remembered.
    """
    require_module_name(wanted.name)
    cut = cut_of(span, wanted.held_out)
    learner = learned((one for one in entries() if one[1].time < cut), span[0])
    proposal = propose(learner.usage, wanted.thresholds, wanted.kinds)
    found = Suggestion(proposal, learner, cut, span[1], {}, None, None, "")
    if not _readable(wanted, learner):
        return found._replace(refused="unreadable")
    tried = _tried(wanted, found, entries, sides) if proposal.restrictions else found
    if not wanted.accept_later:
        return tried
    for entry, item in entries():
        if item.time >= cut:
            learner.learn(entry, item)
    if not _readable(wanted, learner):
        return found._replace(refused="unreadable")
    wider = accepting(proposal, learner.usage, wanted.thresholds, wanted.kinds)
    if not wider.restrictions:
        return found
    return _tried(wanted, found._replace(proposal=wider), entries, sides)._replace(accepted=tried.held_out)


def _readable(wanted: Wanted, learner: Learner) -> bool:
    return wanted.ignore_unreadable or not learner.counts["unreadable"]


def cut_of(span: tuple[float, float], held_out: float) -> float:
    """Return where the held-out part begins: at the begin of a day (UTC) if the log has several."""
    first, last = span
    cut = last - (last - first) * held_out
    if last - first < _WHOLE_DAYS * _DAY_SECONDS:
        return cut
    return cut // _DAY_SECONDS * _DAY_SECONDS


def _tried(
    wanted: Wanted, found: Suggestion, entries: Entries, sides: Callable[[Path], Callable[[], Sides]]
) -> Suggestion:
    """Return a suggestion with its files, and with what they change in both parts of the log."""
    files = _files(wanted, found)
    with tempfile.TemporaryDirectory(prefix="tabard-suggest-") as name:
        folder = Path(name)
        with Engine() as engine:
            tried = put_beside(wanted.policy, files, folder / "policy")
            require_sound(engine, tried)
            tools = (spec.name for spec in wanted.policy.catalogue)
            cases = drafts(found.proposal, found.learner.usage, tools)
            text = holding(engine, tried, cases, _head(wanted, found), folder)
        if text:
            files[f"{wanted.name}/{wanted.name}_cases.yaml"] = text
        return _replayed(wanted, found._replace(files=files), entries, sides(tried.path))


def _replayed(wanted: Wanted, found: Suggestion, entries: Entries, sides: Callable[[], Sides]) -> Suggestion:
    plan = Plan(sides, most_examples=wanted.most_examples)
    training = replay(plan, _items(entries, 0.0, found.cut), wanted.jobs)
    held_out = replay(plan, _items(entries, found.cut, float("inf")), wanted.jobs)
    widens = crossed(training, narrower=False) or crossed(held_out, narrower=False)
    refused = "widens" if widens else ""
    return found._replace(training=training, held_out=held_out, refused=refused)


def crossed(report: Report, *, narrower: bool) -> int:
    """Return how many decisions have another effect now, towards a denial or away from it."""
    return sum(
        count
        for (before, now), count in report.effects.items()
        if (_WIDTH[now] < _WIDTH[before] if narrower else _WIDTH[now] > _WIDTH[before])
    )


def _items(entries: Entries, since: float, until: float) -> Iterator[Recorded]:
    return (item for _, item in entries() if since <= item.time < until)


def _files(wanted: Wanted, found: Suggestion) -> dict[str, str]:
    home = wanted.name
    return {
        f"{home}/{home}.rego": module_text(wanted.name),
        f"{home}/data.yaml": data_text(data_tree(found.proposal), _head(wanted, found)),
    }


def _head(wanted: Wanted, found: Suggestion) -> Iterator[str]:
    learner = found.learner
    days = days_of(learner.first, learner.last)
    yield "Proposed by `tabard suggest`. Review it: what a log doesn't show may still be needed."
    yield (
        f"Learned from {learner.decisions:,} allowed decisions of {days:,} days, "
        f"{date_of(learner.first)} to {date_of(learner.last)} (UTC)."
    )
    yield "Thresholds:"
    for name, value in wanted.thresholds.as_json().items():
        yield f"  {name}: {value:g} ({MEANINGS[name]})"


def as_json(found: Suggestion, wanted: Wanted) -> dict[str, Any]:
    """Return a suggestion for scripts."""
    learner, proposal = found.learner, found.proposal
    return {
        "from": learner.first,
        "cut": found.cut,
        "to": found.until,
        "held_out_share": wanted.held_out,
        "thresholds": wanted.thresholds.as_json(),
        "learned": learner.decisions,
        "not_learned": dict(sorted(learner.counts.items())),
        "restrictions": [one.as_json() for one in proposal.restrictions],
        "too_little_evidence": [one._asdict() for one in proposal.lacks],
        "training": found.training.as_json() if found.training is not None else None,
        "held_out": found.held_out.as_json() if found.held_out is not None else None,
        "accepted": found.accepted.as_json() if found.accepted is not None else None,
        "refused": found.refused,
    }
