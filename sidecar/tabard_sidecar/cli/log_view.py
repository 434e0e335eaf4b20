"""Prints the decisions and changes of a log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from tabard_sidecar.operating.framing import Screen, quoted, screen
from tabard_sidecar.operating.log_entries import whole_input
from tabard_sidecar.operating.terminal import echo, echo_json, style
from tabard_sidecar.records.reading import Entry
from tabard_sidecar.util.visible import visible_json

_FOREIGN_COLOUR = "yellow"
_COLOURS = {
    "shadow": "cyan",
    "allow": "green",
    "deny": "red",
    "refused": "red",
    "denied": "red",
    "intended": "yellow",
    "would_deny": "yellow",
}


def print_entries(entries: Iterable[Entry], *, as_input: bool, as_json: bool) -> int:
    """Print entries and return how many; with ``as_input`` those that evaluated a policy only, as their inputs."""
    count, where = 0, screen(scripts=True)
    for entry in entries:
        if as_input and not entry.evaluated:
            continue
        count += 1
        if as_input:
            echo_json(whole_input(entry), indent=None)
        elif as_json:
            echo_json(entry.as_json(), indent=None)
        else:
            for row in _rows(entry.as_json(), where):
                echo(row)
    return count


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
