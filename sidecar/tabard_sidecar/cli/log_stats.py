"""Implements ``tabard log stats``: counts decisions and changes in groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.log_entries import entries_of
from tabard_sidecar.operating.log_filters import filter_options, fits
from tabard_sidecar.operating.log_source import find_log
from tabard_sidecar.operating.odd_lines import OddLines
from tabard_sidecar.operating.options import Existing, config_option, json_option, zone_option
from tabard_sidecar.operating.terminal import echo, echo_json, style, visible

MOST_GROUPS = 100_000
"""Most groups that are told apart. What comes beyond them counts in one group."""
OTHERS = "(others)"
_NONE = "-"
_WIDEST = 60
_HOUR, _DAY = len("2026-01-31T08"), len("2026-01-31")


class Counts:
    """How many decisions and changes there are of each group, by effect.

    Args:
        keys: what the groups are by, such as ``person`` and ``tool``.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = keys
        self.groups: dict[tuple[str, ...], Counter[str]] = {}
        self.total: Counter[str] = Counter()
        self.first = self.last = ""

    def add(self, shown: Mapping[str, Any]) -> None:
        """Count an entry, as ``--json`` shows it."""
        time, effect = shown["time"], shown["effect"]
        self.first = min(self.first or time, time)
        self.last = max(self.last, time)
        self.total[effect] += 1
        group = tuple(_value(shown, key) for key in self._keys)
        if group not in self.groups and len(self.groups) >= MOST_GROUPS:
            group = (OTHERS,) * len(self._keys)
        self.groups.setdefault(group, Counter())[effect] += 1

    def ordered(self) -> list[tuple[tuple[str, ...], Counter[str]]]:
        """Return the groups: in the order of time if they are by time only, else the largest first."""
        if set(self._keys) <= {"hour", "day"}:
            return sorted(self.groups.items())
        return sorted(self.groups.items(), key=lambda one: (-one[1].total(), one[0]))

    def as_json(self, most: int) -> dict[str, Any]:
        """Return the counts for scripts."""
        ordered = self.ordered()
        return {
            "from": self.first,
            "to": self.last,
            "count": self.total.total(),
            "effects": dict(sorted(self.total.items())),
            "groups": [
                dict(zip(self._keys, group, strict=True))
                | {"count": counts.total(), "effects": dict(sorted(counts.items()))}
                for group, counts in ordered[:most]
            ],
            "more_groups": max(0, len(ordered) - most),
        }


def _value(shown: Mapping[str, Any], key: str) -> str:
    """Return what an entry counts as; of the codes the first, which is the one that the caller got."""
    rules = shown["rules"]
    match key:
        case "person":
            return str(shown["subject"]["id"]) or _NONE
        case "code":
            return str(rules[0]["code"]) if rules else _NONE
        case "rule":
            return (".".join(filter(None, (rules[0]["module"], rules[0]["code"])))) if rules else _NONE
        case "hour":
            return f"{shown['time'][:_HOUR]}:00Z"
        case "day":
            return str(shown["time"][:_DAY])
        case _:
            return str(shown[key]) or _NONE


KEYS = ("person", "agent", "tool", "code", "rule", "operation", "effect", "policy", "hour", "day")


@click.command()
@click.argument("files", nargs=-1, type=Existing())
@click.option(
    "--by",
    "keys",
    multiple=True,
    type=click.Choice(KEYS),
    help="What the groups are by. Repeatable: groups of one person and one tool, for example. Default: tool and effect.",
)
@click.option(
    "--top",
    "most",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="Most groups that are shown.",
)
@filter_options
@zone_option
@config_option
@json_option
@click.pass_context
def stats(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    /,
    files: tuple[Path, ...],
    *,
    keys: tuple[str, ...],
    most: int,
    as_json: bool,
    zone: str,
    config_file: Path | None,
    **wanted: str | None,
) -> None:
    """Count the decisions and changes that all options fit, in groups.

    Each group shows how many there are of each effect. FILES as for `search`. Examples:

        tabard log stats --by person --by tool --since 7d

        tabard log stats --effect deny --by rule

        tabard log stats decisions.jsonl.gz --by hour

    Exit code 1 if nothing was found, or if a line isn't a record as the sidecar writes them.
    """
    source = find_log(files, zone=zone, config_file=config_file, quiet=as_json)
    odd = OddLines()
    counts = Counts(tuple(dict.fromkeys(keys)) or ("tool", "effect"))
    for entry in entries_of(source, odd):
        shown = entry.as_json()
        if fits(shown, wanted):
            counts.add(shown)
    found = counts.as_json(most)
    if as_json:
        echo_json(found)
    else:
        _print(found, tuple(dict.fromkeys(keys)) or ("tool", "effect"))
    odd.finish()
    ctx.exit(exit_codes.OK if found["count"] and not odd.count else exit_codes.NEGATIVE)


def _print(found: Mapping[str, Any], keys: Sequence[str]) -> None:
    if not found["count"]:
        echo("no such decision or change")
        return
    effects = list(found["effects"])
    heads = [*keys, "count", *effects]
    rows = [
        [
            *(visible(group[key], _WIDEST) for key in keys),
            f"{group['count']:,}",
            *(f"{group['effects'].get(effect, 0):,}" for effect in effects),
        ]
        for group in found["groups"]
    ]
    echo(f"{found['count']:,} from {found['from'][:19]}Z to {found['to'][:19]}Z")
    for line in _table(heads, rows, len(keys)):
        echo(line)
    if found["more_groups"]:
        echo(f"and {found['more_groups']:,} more groups; --top shows more")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], texts: int) -> list[str]:
    """Return lines of a table; the first columns are texts, the others numbers."""
    every = list(rows)
    widths = [max(len(row[number]) for row in (heads, *every)) for number in range(len(heads))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if number < texts else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return [style(line(heads), bold=True), *map(line, every)]
