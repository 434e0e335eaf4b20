"""Options that choose among the decisions and changes of a log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from tabard_sidecar.operating.completing import (
    complete_agent,
    complete_code,
    complete_person,
    complete_task,
    complete_tool,
)
from tabard_sidecar.operating.terminal import Instant

_Command = TypeVar("_Command", bound=Callable[..., object])

_TIMES = (
    click.option(
        "--since",
        type=Instant(),
        metavar="TIME",
        help="Only from this time on: 15m, 8h or 7d ago, or a date or time such as 2026-01-31 or 2026-01-31T08:00 (UTC unless "
        "it names an offset).",
    ),
    click.option(
        "--until", type=Instant(), metavar="TIME", help="Only before this time, written like --since."
    ),
)
_OPTIONS = (
    click.option(
        "--task", "task_id", default="", shell_complete=complete_task, metavar="TASK", help="Only this task."
    ),
    click.option(
        "--agent",
        default="",
        shell_complete=complete_agent,
        metavar="SPIFFE_ID",
        help="Only what this workload asked or held in a chain.",
    ),
    click.option(
        "--subject",
        "--person",
        default="",
        shell_complete=complete_person,
        metavar="ID",
        help="Only on behalf of this person.",
    ),
    click.option(
        "--tool", default="", shell_complete=complete_tool, metavar="NAME", help="Only calls of this tool."
    ),
    click.option(
        "--credential",
        "credential_id",
        default="",
        metavar="ID",
        help="Only the decision that issued or renewed it.",
    ),
    click.option(
        "--code",
        default="",
        shell_complete=complete_code,
        metavar="CODE",
        help="Only with this reason code or rule.",
    ),
    click.option(
        "--operation",
        default="",
        metavar="NAME",
        help="Only this operation, for example authorize or revoke.",
    ),
    click.option(
        "--effect",
        default="",
        metavar="EFFECT",
        help="Only with this effect, for example allow, deny or approved.",
    ),
    *_TIMES,
)


def filter_options(command: _Command) -> _Command:
    """Add the options; the command gets their values by name, for :func:`fits`."""
    return _with(_OPTIONS, command)


def time_options(command: _Command) -> _Command:
    """Add ``--since`` and ``--until`` alone."""
    return _with(_TIMES, command)


def _with(options: Sequence[Callable[[_Command], _Command]], command: _Command) -> _Command:
    for option in reversed(options):
        command = option(command)
    return command


def fits(shown: Mapping[str, Any], wanted: Mapping[str, str | None]) -> bool:
    """Tell whether an entry, as ``--json`` shows it, is one that all options fit."""
    if not _within(shown["time"], wanted["since"], wanted["until"]):
        return False
    rules = {text for rule in shown["rules"] for text in (rule["code"], f"{rule['module']}.{rule['code']}")}
    has = {
        "task_id": {shown["task_id"]},
        "agent": {shown["agent"], *shown["chain"]},
        "subject": {shown["subject"]["id"]},
        "tool": {shown["tool"]},
        "credential_id": {shown["credential_id"], shown["renews"]},
        "code": rules,
        "operation": {shown["operation"]},
        "effect": {shown["effect"]},
    }
    return all(text in has[name] for name, text in wanted.items() if text and name in has)


def _within(time: object, since: str | None, until: str | None) -> bool:
    """Tell whether a record's time is in a range; all are written in the same form, so their order is that of text."""
    return str(time) >= (since or "") and (until is None or str(time) < until)
