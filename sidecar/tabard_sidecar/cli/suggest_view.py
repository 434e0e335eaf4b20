"""Prints a suggestion for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, Final

from tabard_sidecar.cli.replay_view import SKIPPED
from tabard_sidecar.operating.terminal import echo, moment, style
from tabard_sidecar.suggest.thresholds import MEANINGS

KINDS: Final = (
    "only_signed",
    "only_listed_purposes",
    "only_known_tools",
    "only_listed_tools",
    "only_listed_arguments",
    "types",
    "one_of",
    "at_least",
    "at_most",
    "begins_with",
    "domains",
    "renewed",
    "most_depth",
    "most_children",
    "receivers",
    "most_seconds",
    "most_spent",
)
_NOT_LEARNED: Final = {
    "not_allowed": "denied or asked about",
    "partly_masked": "learned in part, since a mask hid the rest",
    "unreadable": "allowed, and can't be read",
}
_OF_AGENTS: Final = {"only_signed", "only_listed_purposes", "only_known_tools"}
_MOST_LINES: Final = 40
_MOST_CALLS: Final = 200
_MOST_TEXT: Final = 100


def print_suggestion(told: Mapping[str, Any]) -> None:
    """Print a suggestion, as ``--json`` shows it."""
    echo(f"learned from {told['learned']:,} allowed decisions{_time(told)}")
    for why, count in told["not_learned"].items():
        echo(f"  {count:,} {_NOT_LEARNED[why]}")
    for what, count in told["skipped"].items():
        echo(f"  {count:,} not a decision ({SKIPPED[what]})")
    if told["odd_lines"]:
        echo(f"  {told['odd_lines']:,} odd lines")
    echo("thresholds")
    for name, value in told["thresholds"].items():
        echo(f"  {name} {value:g}: {MEANINGS[name]}")
    _print_restrictions(told["restrictions"])
    _print_lacks(told["too_little_evidence"])
    if told["held_out"] is not None:
        _print_held_out(told)
    for file in told["written"]:
        echo(f"wrote {file}")
    if told["widening"] is not None:
        _print_widening(told["widening"])
    if told["restrictions"] and not told["written"] and not told["refused"]:
        echo("nothing was written; add --out FOLDER or --patch FILE")


def _print_lacks(lacks: list[Mapping[str, Any]]) -> None:
    if not lacks:
        return
    echo(f"{len(lacks):,} purposes with too little evidence, which stay as they are")
    for one in lacks[:_MOST_LINES]:
        where = _where(one["agent"], one["purpose"])
        echo(f"  {where}: {one['calls']:,} calls in {one['tasks']:,} tasks on {one['days']:,} days")
    _print_more(len(lacks))


def _time(told: Mapping[str, Any]) -> str:
    return f", {moment(told['from'])} to {moment(told['cut'])}" if told["learned"] else ""


def _where(agent: str, purpose: str | None, *, whole: bool = False) -> str:
    if whole:
        return f"{agent} (every purpose)"
    return f"{agent} {'(asserted purposes)' if purpose is None else json.dumps(purpose, ensure_ascii=False)}"


def _print_more(count: int) -> None:
    if count > _MOST_LINES:
        echo(f"  and {count - _MOST_LINES:,} more; --json has them")


def _print_restrictions(restrictions: list[Mapping[str, Any]]) -> None:
    if not restrictions:
        echo(style("nothing is proposed", bold=True))
        return
    echo(style(f"{len(restrictions):,} restrictions are proposed", bold=True))
    for (agent, whole, purpose), group in groupby(restrictions, key=_place):
        found = list(group)
        echo(f"  {_where(agent, purpose, whole=whole)}")
        for one in found[:_MOST_LINES]:
            echo(f"    {_restriction(one)}")
        _print_more(len(found))


def _place(one: Mapping[str, Any]) -> tuple[str, bool, str | None]:
    return one["agent"], one["kind"] in _OF_AGENTS, None if one["asserted"] else one["purpose"]


def _restriction(one: Mapping[str, Any]) -> str:
    about = " ".join(filter(None, (one["tool"], one["name"])))
    value = json.dumps(one["value"], ensure_ascii=False)
    value = value if len(value) <= _MOST_TEXT else f"{value[:_MOST_TEXT]}…"
    seen = f", seen {one['seen']}" if one["seen"] is not None else ""
    evidence = f"{one['calls']:,} in {one['tasks']:,} tasks on {one['days']:,} days{seen}"
    return f"{about + ': ' if about else ''}{one['kind']} {value} ({evidence})"


def _print_held_out(told: Mapping[str, Any]) -> None:
    report, training = told["held_out"], told["training"]
    part = f"{moment(told['cut'])} to {moment(told['to'])}"
    share = f"{told['held_out_share']:.0%} of the time"
    echo(f"replayed with state on {report['decided']:,} later decisions, {part} ({share})")
    echo(f"and on the {training['decided']:,} decisions that it was learned from")
    accepted = list(_calls(told["accepted"])) if told["accepted"] is not None else []
    if accepted:
        echo(style("calls of the later ones that stay allowed because they were accepted", bold=True))
        for line in accepted:
            echo(f"    {line}")
    for one, name in ((report, "later"), (training, "earlier")):
        for why, count in one["not_replayable"].items():
            echo(f"  {count:,} {name} ones not_replayable:{why}")
        if not one["changed"]:
            echo(style(f"  nothing changes in the {name} ones", fg="green"))
        for change, count in one["changes"].items():
            if count:
                echo(style(f"  {count:,} {name} ones {change}", fg="yellow"))
        calls = list(_calls(one))
        for line in calls[:_MOST_CALLS]:
            echo(f"    {line}")
        if len(calls) > _MOST_CALLS:
            echo(f"    and {len(calls) - _MOST_CALLS:,} more; --json has them")


def _print_widening(told: Mapping[str, Any]) -> None:
    wishes = told["wishes"]
    echo(style(f"WIDENING: {len(wishes):,} kinds of calls were denied again and again", fg="red", bold=True))
    for one in wishes[:_MOST_LINES]:
        where = f"{one['tool']} of {_where(one['agent'], one['purpose'])}"
        evidence = (
            f"{one['calls']:,} in {one['tasks']:,} tasks of {one['people']:,} people on {one['days']:,} days"
        )
        echo(f"  {where}: {', '.join(one['codes'])} ({evidence})")
        echo(f"    {'by hand: ' + one['by_hand'] if one['by_hand'] else 'a grant is proposed'}")
    _print_more(len(wishes))
    if told["replayed"] is not None:
        for change, count in told["replayed"]["changes"].items():
            if count:
                echo(style(f"  {count:,} recorded decisions {change}", fg="red"))
        for line in list(_calls(told["replayed"]))[:_MOST_CALLS]:
            echo(f"    {line}")
    for file in told["written"]:
        echo(f"wrote {file}")


def _calls(report: Mapping[str, Any]) -> Iterator[str]:
    for group in report["groups"]:
        for one in group["examples"]:
            when = f"{one['timestamp'][:19]}Z  {one['decision_id']}"
            rules = ", ".join(group["rules"])
            effects = f"{one['before']['effect']} -> {one['now']['effect']}"
            yield f"{when}  {group['tool']} of {group['agent']} for {one['person']}: {effects} ({rules})"
