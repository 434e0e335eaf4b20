"""Makes a suggestion of the other kind: what would allow denied calls, tried beside the policy on the whole log."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tabard_opa import Engine

from tabard_sidecar.replay.judging import Plan, Sides
from tabard_sidecar.replay.processes import replay
from tabard_sidecar.replay.report import Report
from tabard_sidecar.suggest.running import Entries, Wanted
from tabard_sidecar.suggest.trying import holding, put_beside, require_sound
from tabard_sidecar.suggest.widening import SUFFIX, Wish, WishLearner, widening_text, widening_tree
from tabard_sidecar.suggest.written import data_text

_HEAD = (
    "WIDENING, proposed by `tabard suggest --widen`: it allows calls that were denied.",
    "A denied call may have been an attack. Delete what isn't needed.",
)


class Widening(NamedTuple):
    """What was denied again and again, and what would allow it.

    Attributes:
        wishes: what was denied, also what no grant is proposed for.
        files: what an author reviews, by path; empty if no grant is proposed.
        report: what it changes in the log; ``None`` if no grant is proposed.
    """

    wishes: tuple[Wish, ...]
    files: dict[str, str]
    report: Report | None

    def as_json(self, written: Iterable[str]) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "wishes": [one._asdict() for one in self.wishes],
            "replayed": self.report.as_json() if self.report is not None else None,
            "written": list(written),
        }


def widen(
    wanted: Wanted, entries: Entries, start: float, sides: Callable[[Path], Callable[[], Sides]]
) -> Widening:
    """Return what would allow denied calls.

    Args:
        wanted: policy, thresholds and name count.
        entries: the log.
        start: time of its first decision, seconds since the epoch.
        sides: as for :func:`~tabard_sidecar.suggest.running.suggest`.

    Raises:
        PolicyBrokenError: the policy can't be used, or not together with the proposal.
        ReplayError: a process failed.
        TooMuchError: the log holds more than can be remembered.
    """
    learner = WishLearner(start)
    for _, item in entries():
        learner.learn(item)
    wishes = tuple(learner.wishes(wanted.thresholds))
    if all(one.by_hand for one in wishes):
        return Widening(wishes, {}, None)
    name = f"{wanted.name}{SUFFIX}"
    files = {
        f"{name}/{name}.rego": widening_text(name),
        f"{name}/data.yaml": data_text(widening_tree(wishes), _HEAD),
    }
    with tempfile.TemporaryDirectory(prefix="tabard-suggest-") as place:
        folder = Path(place)
        with Engine() as engine:
            tried = put_beside(wanted.policy, files, folder / "policy")
            require_sound(engine, tried)
            text = holding(engine, tried, list(learner.drafts(wishes)), _HEAD, folder)
        if text:
            files[f"{name}/{name}_cases.yaml"] = text
        plan = Plan(sides(tried.path), most_examples=wanted.most_examples)
        return Widening(wishes, files, replay(plan, (item for _, item in entries()), wanted.jobs))
