"""Implements ``tabard log``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.completing import (
    complete_agent,
    complete_code,
    complete_decision,
    complete_person,
    complete_task,
    complete_tool,
)
from tabard_sidecar.cli.failure import Failure
from tabard_sidecar.cli.framing import Screen, quoted, screen
from tabard_sidecar.cli.log_source import LogSource, find_log
from tabard_sidecar.cli.odd_lines import OddLines
from tabard_sidecar.cli.options import Existing, config_option, json_option, zone_option
from tabard_sidecar.cli.terminal import Instant, echo, echo_json, style
from tabard_sidecar.records.completing import completed
from tabard_sidecar.records.file_sink import open_log
from tabard_sidecar.records.lines import Tell, lines_of, records_of
from tabard_sidecar.records.reading import Entry, joined
from tabard_sidecar.util.visible import visible_json

_FOREIGN_COLOUR = "yellow"
_COLOURS = {
    "shadow": "cyan",
    "allow": "green",
    "deny": "red",
    "refused": "red",
    "denied": "red",
    "intended": "yellow",
}


_files = click.argument("files", nargs=-1, type=Existing())
_input = click.option(
    "--input",
    "as_input",
    is_flag=True,
    help="Print the policy inputs, one a line, as `tabard policy eval --input -` reads one.",
)


@click.group()
def log() -> None:
    """Show who did what by which rule, from decision logs.

    The records of one decision are joined. A long part of an input, for example a grant's caveats,
    stands once in each file; it is shown with every record that refers to it. Records of another
    zone are refused. `tabard audit verify` checks that nothing was changed or removed.
    """


@log.command()
@_files
@click.option(
    "--task", "task_id", default="", shell_complete=complete_task, metavar="TASK", help="Only this task."
)
@click.option(
    "--agent",
    default="",
    shell_complete=complete_agent,
    metavar="SPIFFE_ID",
    help="Only what this workload asked or held in a chain.",
)
@click.option(
    "--subject",
    "--person",
    default="",
    shell_complete=complete_person,
    metavar="ID",
    help="Only on behalf of this person.",
)
@click.option(
    "--tool", default="", shell_complete=complete_tool, metavar="NAME", help="Only calls of this tool."
)
@click.option(
    "--credential",
    "credential_id",
    default="",
    metavar="ID",
    help="Only the decision that issued or renewed it.",
)
@click.option(
    "--code",
    default="",
    shell_complete=complete_code,
    metavar="CODE",
    help="Only with this reason code or rule.",
)
@click.option(
    "--operation", default="", metavar="NAME", help="Only this operation, for example authorize or revoke."
)
@click.option(
    "--effect",
    default="",
    metavar="EFFECT",
    help="Only with this effect, for example allow, deny or approved.",
)
@click.option(
    "--since",
    type=Instant(),
    metavar="TIME",
    help="Only from this time on: 15m, 8h or 7d ago, or a date or time such as 2026-01-31 or 2026-01-31T08:00 (UTC unless "
    "it names an offset).",
)
@click.option("--until", type=Instant(), metavar="TIME", help="Only before this time, written like --since.")
@_input
@zone_option
@config_option
@json_option
@click.pass_context
def search(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    /,
    files: tuple[Path, ...],
    *,
    as_input: bool,
    as_json: bool,
    zone: str,
    config_file: Path | None,
    since: str | None,
    until: str | None,
    **wanted: str,
) -> None:
    """List the decisions and changes that all options fit.

    Changes are revocations, lifts, approvers' decisions, what holders end or report. FILES are
    read in the order given, oldest first; a single file is read after the closed ones beside it.
    Without FILES it is audit.path of the configuration. --json prints one object a line.

    Exit code 1 if nothing was found, or if a line isn't a record as the sidecar writes them. Such
    lines are told with their places, and the others are read.
    """
    source = find_log(files, zone=zone, config_file=config_file, quiet=as_json or as_input)
    odd = OddLines()
    found = (entry for entry in _entries(source, odd) if _fits(entry.as_json(), since, until, wanted))
    shown = _print(found, as_input=as_input, as_json=as_json)
    odd.finish()
    ctx.exit(exit_codes.OK if shown and not odd.count else exit_codes.NEGATIVE)


@log.command()
@click.argument("decision_id", metavar="DECISION", shell_complete=complete_decision)
@_files
@_input
@zone_option
@config_option
@json_option
@click.pass_context
def show(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    /,
    *,
    decision_id: str,
    files: tuple[Path, ...],
    as_input: bool,
    zone: str,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Show one decision: why, for whom, by which rule, with which credential.

    DECISION is the id that an answer, an error and a record hold. FILES as for `search`.

    Exit code 1 if it isn't in the log, or if a line isn't a record as the sidecar writes them.
    """
    source = find_log(files, zone=zone, config_file=config_file, quiet=as_json or as_input)
    odd = OddLines()
    found = (entry for entry in _entries(source, odd) if entry.decision_id == decision_id)
    shown = _print(found, as_input=as_input, as_json=as_json)
    odd.finish()
    if not shown:
        raise _absent(decision_id, source, " with a policy input" if as_input else "")
    if odd.count:
        ctx.exit(exit_codes.NEGATIVE)


def _entries(source: LogSource, tell: Tell) -> Iterator[Entry]:
    return joined(completed(source.checked(_records(source.files, tell))))


def _print(entries: Iterable[Entry], *, as_input: bool, as_json: bool) -> int:
    """Print entries and return how many; with ``as_input`` those that evaluated a policy only."""
    count, where = 0, screen(scripts=True)
    for entry in entries:
        if as_input and not entry.evaluated:
            continue
        count += 1
        if as_input:
            echo_json(_whole_input(entry), indent=None)
        elif as_json:
            echo_json(entry.as_json(), indent=None)
        else:
            for row in _rows(entry.as_json(), where):
                echo(row)
    return count


def logged_input(decision_id: str, files: tuple[Path, ...], config_file: Path | None) -> dict[str, Any]:
    """Return the whole policy input of a decision in a log: in ``files``, else in the configured one.

    Raises:
        Failure: there is no log, no such decision, or it evaluated no policy.
    """
    source = find_log(files, zone="", config_file=config_file, quiet=True)
    odd = OddLines()
    for entry in _entries(source, odd):
        if entry.decision_id == decision_id and entry.evaluated:
            return _whole_input(entry)
    odd.finish()
    raise _absent(decision_id, source, " with a policy input")


def _absent(decision_id: str, source: LogSource, what: str) -> Failure:
    return Failure(
        f"no decision {decision_id!a}{what} is in the log",
        exit_codes.NEGATIVE,
        where=", ".join(map(str, source.files)),
        next_step="`tabard log search` lists the decisions.",
    )


def _records(files: Sequence[Path], tell: Tell) -> Iterator[dict[str, Any]]:
    for file in files:
        try:
            with open_log(file) as stream:
                yield from records_of(str(file), lines_of(stream), tell)
        except OSError as error:
            raise Failure(str(error.strerror), exit_codes.UNREACHABLE, where=str(file)) from error


def _whole_input(entry: Entry) -> dict[str, Any]:
    for place in entry.incomplete:
        raise Failure(
            f"the input isn't complete: record {place.get('sequence')} holds the rest, and isn't here",
            exit_codes.NEGATIVE,
            where=f"decision {entry.decision_id}",
            next_step="Give the file with that record, too, before this one.",
        )
    return entry.input


def _within(time: object, since: str | None, until: str | None) -> bool:
    """Tell whether a record's time is in a range; all are written in the same form, so their order is that of text."""
    return str(time) >= (since or "") and (until is None or str(time) < until)


def _fits(shown: dict[str, Any], since: str | None, until: str | None, wanted: dict[str, str]) -> bool:
    if not _within(shown["time"], since, until):
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
    return all(text in has[name] for name, text in wanted.items() if text)


def _rows(shown: dict[str, Any], where: Screen) -> Iterator[str]:
    """Yield the rows that show an entry. The words of agents, policies and operators stand behind a bar."""
    effect = style(f"{shown['effect']:<8}", fg=_COLOURS.get(shown["effect"]))
    replayed = " (replayed)" if shown["replayed"] else ""
    yield f"{shown['time'][:19]}Z  {effect} {shown['operation']}{replayed}"
    if shown["message"]:
        yield from where.foreign("why", [quoted(shown["message"])], _FOREIGN_COLOUR)
    if shown["tool"]:
        yield from where.foreign("agent", [f"tool {quoted(shown['tool'])}"], _FOREIGN_COLOUR)
    for whose in ("about", "note", "shadow"):
        yield from where.foreign(whose, _pairs(shown[whose]), _FOREIGN_COLOUR)
    for name, text in _own(shown).items():
        if text:
            yield from where.own(name, text)


def _own(shown: dict[str, Any]) -> dict[str, str]:
    """Return what the sidecar verified or made, by its name in the row."""
    chain = list(dict.fromkeys([*shown["chain"], shown["agent"]]))
    return {
        "person": " at ".join(filter(None, (shown["subject"]["id"], shown["subject"]["issuer"]))),
        "agents": " > ".join(filter(None, chain)),
        "handed to": shown["delegatee"],
        "by": _who(shown["by"]),
        "rule": ", ".join(filter(None, map(_rule, shown["rules"]))),
        "approved": ", ".join(
            f"{one.get('id', '')} at {one.get('issuer', '')}" for one in shown["approvers"]
        ),
        "credential": " for ".join(filter(None, (shown["credential_id"], shown["audience"]))),
        "renews": shown["renews"],
        "task": shown["task_id"],
        "decision": shown["decision_id"],
        "policy": shown["policy"][:16],
        "unverified": _digest("no verified grant or token", shown["unverified"]),
        "unrecorded": _digest("one of many requests with this person's token", shown["unrecorded"]),
        "masked": ", ".join(shown["masked"]),
        "incomplete": "; ".join(map(_missing, shown["incomplete"])),
    }


def _who(by: dict[str, Any]) -> str:
    parts = []
    approver, process = by.get("approver"), by.get("operator")
    if isinstance(approver, dict):
        parts.append(f"{approver.get('id', '')} at {approver.get('issuer', '')}")
    if isinstance(process, dict):
        parts.append(f"user {process.get('uid')}, process {process.get('pid')}")
    return ", ".join(parts)


def _pairs(about: dict[str, Any]) -> Iterator[str]:
    for name, value in about.items():
        if value not in ("", [], {}, None):
            yield f"{quoted(name)}: {visible_json(json.dumps(value, ensure_ascii=False))}"


def _missing(place: dict[str, Any]) -> str:
    members = place.get("members")
    names = ", ".join(map(str, members)) if isinstance(members, list) else ""
    return f"{names}: the rest stands in record {place.get('sequence')}, which isn't here"


def _rule(rule: dict[str, str]) -> str:
    return f"{rule['module']}.{rule['code']}" if rule["module"] else rule["code"]


def _digest(why: str, found: object) -> str:
    if not isinstance(found, dict):
        return ""
    return f"{why}: {found.get('bytes')} bytes, SHA-256 {found.get('sha256')}"
