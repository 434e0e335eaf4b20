"""Prints what a replay found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from tabard_sidecar.operating.terminal import echo, moment, style
from tabard_sidecar.replay.comparing import CAVEAT, Change
from tabard_sidecar.replay.not_replayable import Why

_MOST_GROUPS = 12
_COLOURS = {Change.ALLOWED: "red", Change.DENIED: "yellow", Change.ASKED: "cyan"}
SKIPPED = {
    "changes": "revocations and other changes",
    "notes": "notes of the log, and of other programs",
    "repeated_answers": "stored answers that were repeated",
    "refused_before_policy": "refused before policy was asked",
    "filtered_tools": "lists of tools",
    "shadow_differences": "what a candidate policy would have decided otherwise",
    "other_times": "of other times",
}
"""What each kind of record that is no decision of a policy is called."""


def print_report(told: Mapping[str, Any]) -> None:
    """Print a report, as ``--json`` shows it, for people."""
    with_state = "with the state that each task would have" if told["stateful"] else "each alone"
    when = f", {moment(told['from'])} to {moment(told['to'])}" if told["decided"] else ""
    echo(f"{told['decided']:,} decisions decided again, {with_state}{when}")
    print_not_decided(told["not_replayable"])
    for what, count in told["skipped"].items():
        echo(f"  {count:,} not a decision ({SKIPPED[what]})")
    if told["odd_lines"]:
        echo(f"  {told['odd_lines']:,} odd lines")
    print_changes(told)


def print_not_decided(counts: Mapping[str, int]) -> None:
    """Print how many decisions can't be decided again, by why."""
    for why, count in counts.items():
        meaning = f" ({Why(why).meaning})" if why in set(Why) else ""
        echo(f"  {count:,} not_replayable:{why}{meaning}")


def print_changes(told: Mapping[str, Any]) -> None:
    """Print the groups of changes."""
    if not told["changed"]:
        echo(style("nothing changes", fg="green"))
        return
    echo(f"{told['changed']:,} of them change")
    for name, groups in groupby(told["groups"], key=lambda group: group["change"]):
        _print_change(Change(name), list(groups))
    echo()
    echo(CAVEAT)


def _print_change(change: Change, groups: list[Mapping[str, Any]]) -> None:
    count = sum(group["count"] for group in groups)
    echo()
    echo(f"{style(f'{count:,} {change}', fg=_COLOURS.get(change), bold=True)}: {change.meaning}")
    for group in groups[:_MOST_GROUPS]:
        _print_group(group)
    if len(groups) > _MOST_GROUPS:
        rest = sum(group["count"] for group in groups[_MOST_GROUPS:])
        echo(f"  and {rest:,} in {len(groups) - _MOST_GROUPS} more groups; --json and --html have them")


def _print_group(group: Mapping[str, Any]) -> None:
    rules = ", ".join(group["rules"])
    state = f", {group['by_state']:,} of them only by the task's state" if group["by_state"] else ""
    echo(f"  {group['count']:,} {group['tool']} of {group['agent']}: {rules}{state}")
    for example in group["examples"]:
        where = f"{example['timestamp'][:19]}Z  {example['decision_id']}  {example['person']}"
        echo(f"      {where}  {difference_text(example['before'], example['now'])}")


def difference_text(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say in one line what differs between two verdicts."""
    if before["effect"] != now["effect"]:
        return f"{_verdict(before)} -> {_verdict(now)}"
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    parts = [f"{name} {_short(before.get(name))} -> {_short(now.get(name))}" for name in names]
    return "; ".join(parts)


def _verdict(shown: Mapping[str, Any]) -> str:
    reasons = ", ".join(shown.get("reasons", ()))
    return f"{shown['effect']} ({reasons})" if reasons else str(shown["effect"])


def _short(value: object) -> str:
    return "none" if value in (None, [], {}) else json.dumps(value, ensure_ascii=False)
