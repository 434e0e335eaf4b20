"""Prints what ``tabard dev`` found after a save."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from tabard_sidecar.cli.policy import check_json, print_check
from tabard_sidecar.cli.policy_suite import Suite, print_suite
from tabard_sidecar.cli.replay_view import difference_text, print_changes, print_not_decided
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.terminal import echo, style

if TYPE_CHECKING:
    from tabard_sidecar.developing.deciding import Again
    from tabard_sidecar.policy.authoring.workbench import CheckReport

_MOST_FILES = 5
_MOST_MOVED = 10


class Round(NamedTuple):
    """What was found after one save.

    Attributes:
        began: when, seconds since the epoch.
        changed: the files that changed; none at the start.
        check: mistakes of the policy; ``None`` if it couldn't be looked at.
        suite: tests and cases; ``None`` if they couldn't run.
        again: the decisions that were decided again; ``None`` if there are none or the policy can't be used.
        decisions: how many the log gave.
        note: why there are none.
        failures: what kept a part from being done.
    """

    began: float
    changed: tuple[str, ...]
    check: CheckReport | None
    suite: Suite | None
    again: Again | None
    decisions: int
    note: str
    failures: tuple[click.ClickException, ...]


def round_json(done: Round) -> dict[str, Any]:
    """Return it for ``--json``."""
    return {
        "time": round(done.began, 3),
        "changed": list(done.changed),
        "check": check_json(done.check) if done.check is not None else None,
        "tests": {"ok": done.suite.ok} | done.suite.as_json() if done.suite is not None else None,
        "replay": done.again.report.as_json() if done.again is not None else None,
        "since_last": [one.as_json() for one in done.again.moved] if done.again is not None else None,
        "note": done.note,
        "failures": [failure.format_message() for failure in done.failures],
    }


def print_round(done: Round) -> None:
    """Print it for people."""
    stamp = time.strftime("%H:%M:%S", time.localtime(done.began))
    names = [Path(path).name for path in done.changed[:_MOST_FILES]]
    more = f" and {len(done.changed) - _MOST_FILES} more" if len(done.changed) > _MOST_FILES else ""
    what = f"{', '.join(names)}{more} changed" if names else "watching"
    echo()
    echo(style(f"{stamp}  {what}", bold=True))
    for failure in done.failures:
        if isinstance(failure, Failure):
            failure.show()
        else:
            echo(f"{style('error:', fg='red', bold=True)} {failure.format_message()}", lines=True, err=True)
    if done.check is not None:
        print_check(done.check)
    if done.suite is not None:
        print_suite(done.suite, verbose=False)
    _print_decisions(done)


def _print_decisions(done: Round) -> None:
    if done.note:
        echo(f"nothing is decided again: {done.note}")
    if done.again is None:
        return
    told = done.again.report.as_json()
    echo(f"the last {told['decided']:,} decisions decided again, compared with the log:")
    print_not_decided(told["not_replayable"])
    print_changes(told)
    if not done.again.moved:
        return
    count = len(done.again.moved)
    echo()
    echo(style(f"since the last save {count:,} of them {'differ' if count > 1 else 'differs'}:", bold=True))
    for one in done.again.moved[:_MOST_MOVED]:
        about = one.recorded.about
        what = f"{about.tool or one.recorded.operation} of {about.person}"
        echo(f"  {one.recorded.decision_id}  {what}: {difference_text(one.before, one.now)}")
    if count > _MOST_MOVED:
        echo(f"  and {count - _MOST_MOVED:,} more")
