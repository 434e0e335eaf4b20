"""Formats tasks for operators, as rows or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tabard_sidecar.operating.framing import quoted
from tabard_sidecar.operating.tasks import describe
from tabard_sidecar.operating.terminal import moment, style, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tabard.authz.v1 import task_operator_service_pb2 as pb

    from tabard_sidecar.operating.framing import Screen

_COLOURS = {"live": "green"}
_SAID_COLOUR = "yellow"


def summary(row: dict[str, Any], where: Screen, event: str = "") -> Iterator[str]:
    """Yield the few rows that show a task in a list, each cut to the terminal's width.

    Purpose and labels may be an agent's words; they stand behind a bar.
    """
    yield f"{event}{head(row)}"
    yield where.own_cut("person", row["subject"]["id"])
    yield where.own_cut("workload", row["workload"])
    yield where.cut("said", quoted(row["purpose"]), _SAID_COLOUR)
    if row["labels"]:
        yield where.cut("labels", _labels(row), _SAID_COLOUR)


def tree_lines(
    found: pb.GetTaskTreeResponse, where: Screen, *, leases: Sequence[dict[str, Any]] = ()
) -> Iterator[str]:
    """Yield the rows that show a task with every holder, its link and the leases that it holds."""
    row = describe(found.task)
    yield head(row)
    yield from where.own("person", f"{row['subject']['id']} at {row['subject']['issuer']}")
    yield from where.own("workload", row["workload"])
    yield from where.own("expires", moment(row["expires_at"]))
    yield from where.own("calls", f"{found.calls} stored")
    for line in budget_lines(found):
        yield from where.own("spent", line)
    yield from where.foreign("said", [quoted(row["purpose"])], _SAID_COLOUR)
    if row["labels"]:
        yield from where.foreign("labels", [_labels(row)], _SAID_COLOUR)
    if found.facts:
        yield from where.foreign("facts", list(fact_lines(found)), _SAID_COLOUR)
    for node in found.nodes:
        ended, inactive = style("  ended", fg="red", bold=True), style("  inactive", fg="red")
        yield f"link {node.link_id}{ended if node.ended else inactive if node.inactive else ''}"
        yield from where.own(f"level {node.depth}", node.holder)
        if node.sub_agent:
            yield from where.foreign("agent", [f"sub-agent {quoted(node.sub_agent)}"], _SAID_COLOUR)
        for lease in leases:
            if lease["link_id"] == node.link_id:
                yield from where.own("lease", _lease_line(lease))
    yield from _leases_elsewhere(found, leases, where)
    if found.truncated:
        yield f"… and more; only {len(found.nodes)} holders are shown"


def _leases_elsewhere(
    found: pb.GetTaskTreeResponse, leases: Sequence[dict[str, Any]], where: Screen
) -> Iterator[str]:
    """Yield the rows of leases whose holder isn't shown."""
    shown = {node.link_id for node in found.nodes}
    for lease in leases:
        if lease["link_id"] not in shown:
            yield from where.own("lease", f"{_lease_line(lease)} of {lease['holder']}")


def _lease_line(lease: dict[str, Any]) -> str:
    """Return a lease in one row: its credential, what it is for and until when."""
    state = style("ending", fg="red") if lease["ending"] else style("live", fg="green")
    return f"{lease['credential_id']}  {state}  {lease['role']} of {lease['source']} until {moment(lease['expires_at'])}"


def head(row: dict[str, Any]) -> str:
    """Return the row of a task that holds nothing but the zone's own words."""
    state = style(f"{row['state']:<15}", fg=_COLOURS.get(row["state"], "red"))
    return f"{row['task_id']}  {state}  {moment(row['started_at'])}"


def _labels(row: dict[str, Any]) -> str:
    return ", ".join(map(quoted, row["labels"]))


def fact_lines(found: pb.GetTaskTreeResponse) -> Iterator[str]:
    """Yield what calls have noted, one line for each name at each place. Elements may come from an agent or a backend."""
    for fact in found.facts:
        below = f"  (below link {visible(fact.link_id)})" if fact.link_id else ""
        value = ", ".join(map(quoted, fact.elements)) if fact.elements else str(fact.count)
        yield f"{visible(fact.name)}: {value}{below}"


def budget_lines(found: pb.GetTaskTreeResponse) -> list[str]:
    """Return the spending of a task's budgets, one line each, by name."""
    lines = []
    for budget_id, amount in found.spent.items():
        budget = found.budgets.get(budget_id)
        name = visible(budget.name) if budget is not None else ""
        of = f"{budget.limit} {name}" if budget is not None else "an unknown limit"
        lines.append((name, budget_id, f"{amount} of {of}  (budget {budget_id[:12]})"))
    return [line for _, _, line in sorted(lines)]
