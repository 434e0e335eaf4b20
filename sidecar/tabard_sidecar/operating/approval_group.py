"""Shows the calls of a group as one list: what is the same, what differs, and what they come to.

As for one call, the agent's words stand behind a bar; see :mod:`tabard_sidecar.operating.approval_prompt`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from tabard_sidecar.operating.approval_prompt import (
    AGENT_COLOUR,
    COLOURS,
    LISTED_CHARACTERS,
    POLICY_COLOUR,
    WORDS,
    allows,
    asserted_task,
    json_lines,
    signed_lines,
    summary,
    verified_lines,
)
from tabard_sidecar.operating.argument_totals import Total, Totals, same_in_all, totals
from tabard_sidecar.operating.framing import Screen, quoted, screen
from tabard_sidecar.operating.terminal import echo, moment, style
from tabard_sidecar.util.visible import visible_json

_DIGEST_CHARACTERS = 16
_Row = dict[str, Any]


def by_group(rows: Iterable[_Row]) -> list[list[_Row]]:
    """Return approvals as lists, each of one group or of one approval without a group, in order of their first."""
    found: dict[str, list[_Row]] = {}
    for row in rows:
        found.setdefault(row["group_id"] or row["approval_id"], []).append(row)
    return [*found.values()]


def waiting(rows: Iterable[_Row]) -> list[_Row]:
    """Return what waits."""
    return [row for row in rows if row["status"] == "pending"]


def digest(rows: Iterable[_Row]) -> str:
    """Return what stands for exactly the calls that wait: the beginning of a SHA-256 over their approvals' ids, hex."""
    ids = sorted(row["approval_id"] for row in waiting(rows))
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:_DIGEST_CHARACTERS]


def describe_group(group_id: str, rows: Sequence[_Row]) -> _Row:
    """Return a group as ``--json`` prints it."""
    return {
        "group_id": group_id,
        "digest": digest(rows),
        "waiting": len(waiting(rows)),
        "approvals": list(rows),
        "totals": [
            {"tool": tool, "server": server, **asdict(_totals(calls))}
            for (tool, server), calls in _by_tool(rows).items()
        ],
    }


def group_summary(rows: Sequence[_Row], where: Screen) -> Iterator[str]:
    """Yield the few rows that name a group in a list, each cut to the terminal's width."""
    first = rows[0]
    if len(rows) == 1 or not all(row["readable"] for row in rows):
        for row in rows:
            yield from summary(row, where)
        return
    status = style(f"{first['status']:<8}", fg=COLOURS.get(first["status"]))
    ends = min(row["expires_at"] for row in rows)
    yield f"{first['group_id']}  {status}  until {moment(ends)}  {len(rows)} calls"
    yield from where.own("person", quoted(first["subject"]["id"], LISTED_CHARACTERS))
    for (tool, _), calls in _by_tool(rows).items():
        yield where.cut("agent", f"{len(calls)} x tool {quoted(tool)}", AGENT_COLOUR)
    for reason in dict.fromkeys(row["reason"] for row in rows):
        yield where.cut("policy", quoted(reason), POLICY_COLOUR)


def print_group(group_id: str, rows: Sequence[_Row], *, err: bool = False) -> None:
    """Print a group in full.

    Raises:
        Failure: the terminal is too narrow.
    """
    for line in group_lines(group_id, rows, screen(err=err)):
        echo(line, err=err)


def group_lines(group_id: str, rows: Sequence[_Row], where: Screen) -> Iterator[str]:
    """Yield the rows that show a group. They hold only visible characters."""
    open_ = waiting(rows)
    ends = min(row["expires_at"] for row in open_ or rows)
    count = style(f"{len(open_)} call(s) wait", fg=COLOURS["pending"] if open_ else None, bold=True)
    yield f"Group {group_id}: {count}, until {moment(ends)}"
    if open_:
        yield from where.own("digest", digest(rows))
    readable = [row for row in rows if row["readable"]]
    for row in rows:
        if not row["readable"]:
            yield f"  {row['approval_id']} can't be decrypted any more, so the group can't be decided."
    if not readable:
        return
    yield from verified_lines(readable[0], where)
    if _allowed_alike(readable):
        yield from where.own("allows", f"of each: {allows(readable[0])}")
    yield from signed_lines(readable[0], where)
    yield from _rule_lines(readable, where)
    yield from _call_lines(readable, where)
    yield from _total_lines(readable, where)


def _allowed_alike(rows: Sequence[_Row]) -> bool:
    return len({allows(row) for row in rows}) == 1


def _rule_lines(rows: Sequence[_Row], where: Screen) -> Iterator[str]:
    yield style("Policy", bold=True) + ": its words may quote the agent"
    rules: dict[tuple[str, ...], list[int]] = {}
    for number, row in enumerate(rows, 1):
        rule = row["module"] + "." + row["code"]
        rules.setdefault((row["reason"], rule, *row["approvers"]), []).append(number)
    for (reason, rule, *approvers), numbers in rules.items():
        lines = [f"asks why  {quoted(reason)}", f"rule      {quoted(rule)}"]
        lines.append(f"approvers {', '.join(map(quoted, approvers))}")
        if len(rules) > 1:
            lines.append(f"for call  {_numbers(numbers)}")
        yield from where.foreign("policy", lines, POLICY_COLOUR)


def _call_lines(rows: Sequence[_Row], where: Screen) -> Iterator[str]:
    """Yield what the agent asserts of each call: what all calls of a tool have in common once, and what differs."""
    yield (
        style("The agent's words", fg=AGENT_COLOUR, bold=True)
        + ": not verified; the approvals are for exactly these calls"
    )
    yield from where.foreign("agent", asserted_task(rows[0]), AGENT_COLOUR)
    numbers = {row["approval_id"]: number for number, row in enumerate(rows, 1)}
    for (tool, server), calls in _by_tool(rows).items():
        same = same_in_all([row["arguments"] for row in calls]) if len(calls) > 1 else []
        lines = _tool(tool, server)
        if same:
            lines.append(f"the same in each of these {len(calls)} calls")
            lines += json_lines({name: calls[0]["arguments"][name] for name in same})
        yield from where.foreign("agent", lines, AGENT_COLOUR)
        for row in calls:
            decided = "" if row["status"] == "pending" else f", {WORDS.get(row['status'], row['status'])}"
            yield from where.own(f"call {numbers[row['approval_id']]}", row["approval_id"] + decided)
            if not _allowed_alike(rows):
                yield from where.own("allows", allows(row))
            own = {name: value for name, value in row["arguments"].items() if name not in same}
            yield from where.foreign("agent", json_lines(own), AGENT_COLOUR)
    yield "  Here the agent's words end."


def _total_lines(rows: Sequence[_Row], where: Screen) -> Iterator[str]:
    """Yield what Tabard has counted. Names of arguments are the agent's words."""
    numbers = {row["approval_id"]: number for number, row in enumerate(rows, 1)}
    for (tool, server), calls in _by_tool(rows).items():
        if len(calls) == 1:
            continue
        yield style("Counted by Tabard", bold=True) + f": {len(calls)} calls, names are the agent's"
        of_tool = [numbers[row["approval_id"]] for row in calls]
        counted = _totals(calls)
        lines = [*_tool(tool, server), *(_total(one, of_tool) for one in counted.arguments)]
        if counted.left_out:
            lines.append(f"  {counted.left_out} more argument(s) aren't counted: read every call")
        yield from where.foreign("agent", lines, AGENT_COLOUR)


def totals_by_tool(rows: Iterable[_Row]) -> Iterator[tuple[str, Total, str]]:
    """Yield what Tabard counts over the calls of each tool: the tool, one argument, and which calls are alone with their value."""
    every = list(rows)
    numbered = {row["approval_id"]: number for number, row in enumerate(every, 1)}
    for (tool, _), calls in _by_tool(every).items():
        numbers = [numbered[row["approval_id"]] for row in calls]
        for one in _totals(calls).arguments if len(calls) > 1 else ():
            yield tool, one, _odd(one, numbers).removeprefix("; alone with its value: ")


def _tool(tool: str, server: str) -> list[str]:
    return [f"tool      {quoted(tool)}", *([f"server    {quoted(server)}"] if server else [])]


def _total(one: Total, numbers: Sequence[int]) -> str:
    values = f"{one.different} different value(s) in {one.calls} call(s)"
    if one.least is not None:
        total = "too large" if one.total is None else one.total
        values = f"sum {total}, from {one.least} to {one.most}; {values}"
    return f"  {visible_json(json.dumps(one.argument, ensure_ascii=False))}: {values}{_odd(one, numbers)}"


def _odd(one: Total, numbers: Sequence[int]) -> str:
    """Return which calls are alone with their value. If that are most, there is no rule that they break."""
    alone = [numbers[place - 1] for place in one.alone]
    if len(alone) > max(1, len(numbers) // 2):
        return f"; alone with its value: {len(alone)} calls"
    return f"; alone with its value: call {_numbers(alone)}" if alone else ""


def _totals(rows: Sequence[_Row]) -> Totals:
    return totals([row["arguments"] for row in rows])


def _by_tool(rows: Iterable[_Row]) -> dict[tuple[str, str], list[_Row]]:
    found: dict[tuple[str, str], list[_Row]] = {}
    for row in rows:
        if row["readable"]:
            found.setdefault((row["tool"], row["server"]), []).append(row)
    return found


def _numbers(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
